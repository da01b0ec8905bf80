"""What is known before any network is trained: the law of a linear Gaussian process about a seasonal
profile."""

from unnoise.domains.timeseries.reference.fit import fit_reference
from unnoise.domains.timeseries.reference.profile import Profile, fit_profile
from unnoise.domains.timeseries.reference.reference import Reference
from unnoise.domains.timeseries.reference.seasonal import Seasonal

__all__ = ["Profile", "Reference", "Seasonal", "fit_profile", "fit_reference"]

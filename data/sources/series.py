"""Time series: regular or irregular, whole or with gaps, and those that published figures are on.

A file that its source has uncompressed is here as `gzip -n -9` of it, to the byte; such a file can
only be placed by hand.
"""

from unnoise.data.source import File, Source
from unnoise.data.sources.github import github

__all__ = ["SERIES"]

_RDATASETS = "github.com/vincentarelbundock/Rdatasets at 1dcc2bf5"
_R = "free to re-distribute, as far as Rdatasets knows"
_UCI = "UCI: CC BY 4.0, not verified; none stated where it was taken from"
_ETT = "github.com/zhouhaoyi/ETDataset at 1d16c8f"


def _ett(name: str, file: str, sha256: str, size: int) -> Source:
    """One of the two hourly transformers."""
    return Source(
        name=name,
        folder="timeseries/ett",
        files=(File(f"{file}.csv.gz", sha256, size, ()),),
        licence="CC BY-ND 4.0: pass on verbatim only",
        citation=(
            "Zhou et al. Informer: beyond efficient transformer for long sequence time-series "
            "forecasting. AAAI 2021"
        ),
        summary="17,420 hours of a transformer: six loads and the temperature of its oil",
        origin=f"ETT-small/{file}.csv of {_ETT}, gzipped",
    )


_ETTH1 = _ett(
    "etth1", "ETTh1", "3c56c865b8f6fc9b760a07f055ff8a993d3cf2a747235dc382b98821ed35f029", 405540
)
_ETTH2 = _ett(
    "etth2", "ETTh2", "a549927e8cd45bd1c20a8ec51529cd037bf6da38fe37c2ba3dc0e9c8446d6cb5", 428740
)

_AQI36 = Source(
    name="aqi36",
    folder="timeseries/aqi36",
    files=(
        File(
            "pm25_ground.txt.gz",
            "c580349fe05d1361076a8f3a59a3b3b6fa4b693e75934fa648dba39cd084f5c2",
            367934,
            (),
        ),
        File(
            "pm25_missing.txt.gz",
            "89944b3b596a3a38b00ac11fe340a27a60a11e13be0f473b7e5919cc8da01354",
            336519,
            (),
        ),
        File(
            "pm25_latlng.txt",
            "a7423dafe4ecdec5ba04b4b6b047a53df1b9c04aed0a2957f1c698761715d7c1",
            958,
            (),
        ),
    ),
    licence="none stated; published by Microsoft Research for research",
    citation=(
        "Yi et al. ST-MVL: filling missing values in geo-sensory time series data. IJCAI 2016"
    ),
    summary="8,759 hours of PM2.5 at 36 stations of Beijing, with a published choice to hold out",
    origin="data/pm25/SampleData of github.com/LMZZML/PriSTI at 8ba37cc, two of them gzipped",
)

_PHYSIONET2012 = Source(
    name="physionet2012",
    folder="timeseries/physionet2012",
    files=(
        File(
            "set-a.tar.xz",
            "e9c363d4f40d3cd5b8e181116429734c81d6b497c3ffda5111a19adc6242044d",
            4487352,
            (),
        ),
    ),
    licence="PhysioNet: verbatim copies may be passed on; ODC-By 1.0, not verified",
    citation=(
        "Silva et al. Predicting in-hospital mortality of ICU patients: the PhysioNet/Computing "
        "in Cardiology Challenge 2012. Computing in Cardiology 39, 2012; Goldberger et al. "
        "PhysioBank, PhysioToolkit, and PhysioNet. Circulation 101(23), 2000"
    ),
    summary="4,000 stays in intensive care: 35 channels at irregular times within two days",
    origin=(
        "backup/set-a of github.com/AbdelrahmanManz/ICU-Mortality-Predictor at 7037a4f, "
        "packed as tar.xz"
    ),
)

_EXCHANGE = Source(
    name="exchange",
    folder="timeseries/exchange_rate",
    files=github(
        "laiguokun/multivariate-time-series-data",
        "7f402f185cc2435b5e66aed13a3b560ed142e023",
        (
            "exchange_rate.txt.gz",
            "exchange_rate/exchange_rate.txt.gz",
            177142,
            "6a4fbb561dcdee43f071a83badbeec9223a335552278348656738b556f1c2e9d",
        ),
    ),
    licence="none stated",
    citation=(
        "Lai et al. Modeling long- and short-term temporal patterns with deep neural networks. "
        "SIGIR 2018"
    ),
    summary="7,588 days of eight currencies in US dollars, without stamps",
)

_EXCHANGE_NIPS = Source(
    name="exchange-nips",
    folder="timeseries/exchange_rate",
    files=github(
        "mbohlkeschneider/gluon-ts",
        "mv_release",  # a branch, as in GluonTS; the checksum pins the file
        (
            "exchange_rate_nips.tar.gz",
            "datasets/exchange_rate_nips.tar.gz",
            744269,
            "83f3cf364ae7854b0a74ef9825c47b8314896de820de877fd466cdffd94027d1",
        ),
    ),
    licence="Apache-2.0 (GluonTS, where it is fetched from)",
    citation=(
        "Salinas et al. High-dimensional multivariate forecasting with low-rank Gaussian copula "
        "processes. NeurIPS 2019"
    ),
    summary="6,221 of these days as GluonTS has them, with five forecasts of 30 days",
)

_VIC_ELEC = Source(
    name="vic-elec",
    folder="timeseries/vic_elec",
    files=(
        File(
            "vic_elec.csv.gz",
            "959129598b4206267c7e797880060efe5de31c9e72067fbd5bfa198de9eb1d36",
            698307,
            (),
        ),
    ),
    licence=_R,
    citation=(
        "Australian Energy Market Operator (the demand); O'Hara-Wild et al. tsibbledata: diverse "
        "datasets for 'tsibble'. R package"
    ),
    summary="52,608 half-hours of electricity demand and temperature in Victoria, 2012 to 2014",
    origin=f"csv/tsibbledata/vic_elec.csv of {_RDATASETS}, gzipped",
)

_AIR_QUALITY = Source(
    name="air-quality",
    folder="timeseries/air_quality_uci",
    files=(
        File(
            "AirQualityUCI.csv.gz",
            "a4197a2b3407adee54a97d9b9a753522f99d916109d45e192b512467f328d3dd",
            241201,
            (),
        ),
    ),
    licence=_UCI,
    citation=(
        "De Vito et al. On field calibration of an electronic nose for benzene estimation in an "
        "urban pollution monitoring scenario. Sensors and Actuators B 129(2), 2008"
    ),
    summary="9,357 hours of 13 gas sensors and the weather in an Italian city, 14 % missing",
    origin=(
        "AirQualityUCI.csv in AirQualityUCI.zip of "
        "github.com/erlanggapratamaP/airqualitydataset at d90dd44, gzipped"
    ),
)

_BEIJING_PM25 = Source(
    name="beijing-pm25",
    folder="timeseries/beijing_pm25_uci",
    files=(
        File(
            "pollution.csv.gz",
            "ae74d528f52cd98c8781f76ed94be9cf4a086cb5e3f6f7cffd804c50c8d96627",
            503438,
            (),
        ),
    ),
    licence=_UCI,
    citation=(
        "Liang et al. Assessing Beijing's PM2.5 pollution: severity, weather impact, APEC and "
        "winter heating. Proceedings of the Royal Society A 471, 2015"
    ),
    summary="43,824 hours of PM2.5 in Beijing, 5 % missing, and the weather",
    origin="pollution.csv of github.com/jbrownlee/Datasets at d20fcb6, gzipped",
)

_PBCSEQ = Source(
    name="pbcseq",
    folder="timeseries/pbcseq",
    files=(
        File(
            "pbcseq.csv",
            "03aca2f2e449c388b14ec130383654a09d91240f85f935ce364d206c8e848aed",
            156390,
            (),
        ),
    ),
    licence=_R,
    citation=(
        "Murtaugh et al. Primary biliary cirrhosis: prediction of short-term survival based on "
        "repeated patient visits. Hepatology 20(1), 1994; Therneau. survival. R package"
    ),
    summary="1,945 visits of 312 patients on irregular days: seven laboratory values, five signs",
    origin=f"csv/survival/pbcseq.csv of {_RDATASETS}",
)


def _embedded(name: str, citation: str, summary: str) -> Source:
    """A series that statsmodels carries."""
    return Source(
        name=name,
        folder=f"timeseries/{name}",
        files=(),
        licence="public domain (as statsmodels states)",
        citation=citation,
        summary=summary,
        package="statsmodels",
        loader=f"load_series({name!r})",
    )


_CO2 = _embedded(
    "co2",
    "Keeling and Whorf. Atmospheric CO2 concentrations derived from flask air samples at sites in "
    "the SIO network. Trends: a compendium of data on global change, 2004",
    "2,284 weeks of carbon dioxide above Mauna Loa, 59 of them missing",
)
_SUNSPOTS = _embedded(
    "sunspots",
    "National Geophysical Data Center, NOAA",
    "309 years of sunspots, 1700 to 2008",
)
_NILE = _embedded(
    "nile",
    "Cobb. The problem of the Nile: conditional solution to a changepoint problem. "
    "Biometrika 65(2), 1978",
    "100 years of the Nile's flow at Aswan, 1871 to 1970",
)
_ELNINO = _embedded(
    "elnino",
    "National Weather Service, NOAA: ERSST.V3B, Niño 1+2",
    "732 months of sea surface temperature, 1950 to 2010",
)
_MACRODATA = _embedded(
    "macrodata",
    "Federal Reserve Bank of St. Louis and National Bureau of Labor Statistics; compiled by "
    "Seabold for statsmodels",
    "203 quarters of 12 figures of the US economy, 1959 to 2009",
)

SERIES = (
    _AQI36,
    _PHYSIONET2012,
    _ETTH1,
    _ETTH2,
    _EXCHANGE,
    _EXCHANGE_NIPS,
    _VIC_ELEC,
    _AIR_QUALITY,
    _BEIJING_PM25,
    _PBCSEQ,
    _CO2,
    _SUNSPOTS,
    _NILE,
    _ELNINO,
    _MACRODATA,
)

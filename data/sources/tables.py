"""Tables of categories, some of them with numbers beside: five of UCI's, one of statsmodels'."""

from unnoise.data.source import Source
from unnoise.data.sources.github import BROWNLEE, github

__all__ = ["TABLES"]

_UCI = "UCI: CC BY 4.0, not verified; none stated where it is fetched from"

_MUSHROOM = Source(
    name="mushroom",
    folder="categorical/tables",
    files=github(
        "nate-koser/mushroom-classification",
        "42644d608f0ebd8e896b1ea0a7342d41618f9d6f",
        (
            "mushroom_agaricus-lepiota.csv",
            "agaricus-lepiota.data",
            373998,
            "6975354e7257d0c2ccdc754d14f27289fbbd94e06385e8b288b909a65ce57426",
        ),
    ),
    licence=_UCI,
    citation="Schlimmer. Mushroom. UCI Machine Learning Repository, 1981, doi:10.24432/C5959T",
    summary="8,124 mushrooms: 23 nominal columns, one of them constant, 2,480 values missing",
)

_CAR = Source(
    name="car",
    folder="categorical/tables",
    files=github(
        "pekacprowicz/PSZT-Projekt-2",
        "ee4f687a2ccce1173b7e34a3f54c1fe46260e7a7",
        (
            "car_evaluation.csv",
            "car.data",
            51915,
            "97f9e7c952dfeb8d9b9e82ae25bd87d197064491a65d257347dc8076de284c28",
        ),
    ),
    licence=_UCI,
    citation=(
        "Bohanec. Car Evaluation. UCI Machine Learning Repository, 1988, doi:10.24432/C5JP48"
    ),
    summary="1,728 cars: all combinations of six ordinal columns, and a verdict on each",
)

_BREAST_CANCER = Source(
    name="breast-cancer",
    folder="categorical/tables",
    files=github(
        *BROWNLEE,
        (
            "breast-cancer.csv",
            "breast-cancer.csv",
            24373,
            "4523656d14e91168a602301490a8c89674a9b14384c29a5f652ba1a2bec844a9",
        ),
    ),
    licence=_UCI,
    citation=(
        "Zwitter and Soklic. Breast Cancer. University Medical Centre, Institute of Oncology, "
        "Ljubljana; UCI Machine Learning Repository, 1988, doi:10.24432/C51P4M"
    ),
    summary="286 patients: 10 nominal and ordinal columns, 9 values missing",
)

_ADULT = Source(
    name="adult",
    folder="categorical/tables",
    files=github(
        *BROWNLEE,
        (
            "adult-train.csv",
            "adult-train.csv",
            3974305,
            "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
        ),
        (
            "adult-test.csv",
            "adult-test.csv",
            2003132,
            "72567b94f5c1a6f8501377dd80f93892c3848ff071cf91ba47e00b0785a28074",
        ),
    ),
    licence=_UCI,
    citation=(
        "Becker and Kohavi. Adult. UCI Machine Learning Repository, 1996, doi:10.24432/C5XW20"
    ),
    summary=(
        "32,561 + 16,281 people of the census of 1994: 6 columns of numbers, 9 of categories"
    ),
)

_GERMAN = Source(
    name="german",
    folder="categorical/tables",
    files=github(
        *BROWNLEE,
        (
            "german.csv",
            "german.csv",
            79793,
            "ec12a88b9fc14d74ba646ea0410cf7ff4533bec2eb61652f8ad76796bbfec017",
        ),
    ),
    licence=_UCI,
    citation=(
        "Hofmann. Statlog (German Credit Data). UCI Machine Learning Repository, 1994, "
        "doi:10.24432/C5NC77"
    ),
    summary="1,000 applicants for credit: 7 columns of numbers, 14 of categories",
)

_ANES96 = Source(
    name="anes96",
    folder="categorical/anes96",
    files=(),
    licence="public domain (as statsmodels states)",
    citation="American National Election Studies, 1996; a subset carried by statsmodels",
    summary="944 voters: 4 columns of numbers, 7 of ordered or nominal codes",
    package="statsmodels",
    loader="load_table('anes96')",
)

TABLES = (_MUSHROOM, _CAR, _BREAST_CANCER, _ADULT, _GERMAN, _ANES96)

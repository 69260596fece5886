"""Where outputs of the small world come from: a model, a figure, a table, a notebook; and what is stale."""

import json

import pytest

from mlproj.core.checks import UserError
from mlproj.data.versions import read_record
from mlproj.pipeline.environment import read_environment
from mlproj.pipeline.lineage import trace
from support import MODELS, ROOT

# DVC warns about its own trees of paths.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")

OUTPUTS = {
    "models/logistic/model.json": "train@logistic",
    "plots/savings.png": "judge",
    "metrics/compare.json": "compare",
    "predictions/backtest/tree_depth_2.parquet": "backtest@tree_depth_2",
    "reports/model_card.ipynb": "model_card",
}


@pytest.mark.parametrize(("name", "stage"), OUTPUTS.items(), ids=list(OUTPUTS))
def test_an_output_is_traced_to_what_it_was_made_from(finished, name, stage):
    lineage = trace(finished.root, finished.root / name)
    assert (lineage.stage, lineage.stale) == (stage, {})
    assert lineage.command == "mlproj run " + stage.replace("@", " --model ")
    assert lineage.versions["data_version"] == [read_record(finished.root).version]
    assert lineage.packages.items() <= read_environment(ROOT).items() and "papermill" in lineage.packages
    assert (
        f"nbs/pipeline/{stage.split('@')[0]}.ipynb" in lineage.code
        and "mlproj/core/settings.py" in lineage.code
    )
    assert lineage.before[:4] == ["data.dvc", "guard", "prepare", "features"]
    given = {parameter.split(".")[0] for parameter in lineage.parameters}
    assert "folds" in given if "@" in stage else stage in given


def test_what_has_changed_is_said_of_the_stage_that_it_concerns(project):
    project.params(lambda params: params["assumptions"].update(capacity=7))
    (project.root / "metrics/savings.json").write_text("{}")
    said = " ".join(project.run("mlproj lineage models/champion").stdout.split())
    assert "metrics/savings.json is not what dvc.lock records" in said
    assert "assumptions.capacity in params.yaml was" in said and "and is 7" in said
    (project.root / "mlproj/evaluation/calibration.py").write_text("")
    # compare reads neither of the changed files.
    assert trace(project.root, project.root / "reports/compare.ipynb").stale == {}
    stale = trace(project.root, project.root / "plots/savings.png").stale
    assert [name.split()[0] for name in stale] == ["judge"]
    assert "mlproj/evaluation/calibration.py, which it reads, changed" in next(iter(stale.values()))
    recorded = (project.root / "versions.json").read_text()
    version = json.loads(recorded)["onnxmltools"]
    (project.root / "versions.json").write_text(
        recorded.replace(f'"onnxmltools": "{version}"', '"onnxmltools": "1.0"')
    )
    said = " ".join(project.run("mlproj lineage models/champion").stdout.split())
    assert f"onnxmltools in versions.json was {version} and is 1.0" in said


def test_what_no_stage_makes_is_said_to_be_what_it_is(finished):
    for name, expected in {
        "params.yaml": "a source file",
        "data/transactions": "data, which no stage makes",
        ".data/transactions": "data, which no stage makes",
        "models": f"such as models/{MODELS[0]}",
        "elsewhere.png": "is nothing that a stage makes",
    }.items():
        with pytest.raises(UserError, match=expected):
            trace(finished.root, finished.root / name)

"""The screening study end to end on small finished runs: exact scores, merging, faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem

from core import runs
from core.data import save_perturbation
from core.errors import ConfigError, DataError, RunError
from core.metrics.connectivity import false_discovery_rate
from core.molecules.standardise import read_clean
from core.settings import Settings, load_settings
from core.studies.base import STUDIES, StudyContext
from core.studies.screening.config import ScreeningConfig
from core.studies.screening.features import CountedMolecules, FeatureMaker, Molecules
from core.studies.screening.folding import FoldedEnsemble
from core.studies.screening.result import escaped_csv
from core.studies.screening.stream import identity_keys, scorer_of
from tests.studies.screening_small import ALL, WIDTH, library, long_way, predictor, screen, train
from tests.studies.test_perturbation import CELLS, make_table

MOLECULES = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C)C(=O)N2C",
    "c1ccccc1CCO",  # not a training compound: an even chain ends in N
    "c1ccccc1CO",  # compound 1
    "OCc1ccccc1",  # the same, written differently
    "C[N+](C)(C)CCO.[Cl-]",
    "CCCCCCCCN",
    "O=C(O)c1ccccc1-c1ccc2[nH]ccc2c1",
    "FC(F)(F)c1ccc(CN2CCOCC2)cc1",
    "C1CCCCC1NC(=O)c1ccncc1",
    "Cl.NCCc1ccccc1",
    "CCOC(=O)C",
]
GENES = {"kind": "genes", "genes": ["G1", "G2"], "direction": "lower"}
COSINE = {"kind": "signature", "direction": "reverse", "up": "G1 G2 G3 G9", "down": "G5 G6"}
OBJECTIVES = {
    "mean": {"kind": "genes", "direction": "raise", "genes": "G4,G7"},
    "cosine": COSINE | {"score": "cosine"},
    "weighted": COSINE | {"score": "weighted"},
    "spearman": COSINE | {"score": "spearman"},
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = load_settings(workspace=tmp_path_factory.mktemp("workspace"), device="cpu")
    save_perturbation(make_table(), settings)
    return settings


@pytest.fixture(scope="module")
def every_model(workspace: Settings) -> str:
    """An ensemble of every kind of model, with a low-rank head."""
    models = [{"name": "mlp", "params": WIDTH}, *({"name": name} for name in ALL[1:])]
    return train(workspace, models=models, target={"n_components": 4})


@pytest.fixture(scope="module")
def network(workspace: Settings) -> str:
    """One network with an output for every gene."""
    return train(workspace, models=[{"name": "mlp", "params": WIDTH}])


@pytest.fixture(scope="module")
def small_library(workspace: Settings) -> Path:
    return library(workspace.workspace, MOLECULES)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("model", ["every_model", "network"])
def test_scores_equal_the_long_way(
    objective: str,
    model: str,
    workspace: Settings,
    small_library: Path,
    request: pytest.FixtureRequest,
) -> None:
    """Folded scores against the predictor's own responses, scored gene by gene."""
    run_id = request.getfixturevalue(model)
    result = screen(workspace, run_id, small_library, objective=OBJECTIVES[objective])
    hits, own = result.hits(), predictor(run_id, workspace)
    scorer = scorer_of(result.folder)
    by_cell = {cell: scorer.objective.scores(long_way(own, hits, cell)) for cell in CELLS}
    exact = np.mean(list(by_cell.values()), axis=0)
    if model == "every_model":  # the tiny network ranks genes alike in all molecules
        assert np.abs(exact).max() > 1e-3
    tolerance = 1e-5 * max(1.0, float(np.abs(exact).max()))
    assert hits["score"].to_numpy() == pytest.approx(exact, abs=tolerance)
    for cell in CELLS:
        assert hits[f"score/{cell}"].to_numpy() == pytest.approx(by_cell[cell], abs=2e-5)
    assert (np.diff(hits["score"]) <= 0).all()


def test_genes_objective_by_hand(workspace: Settings, network: str, small_library: Path) -> None:
    """Lowering G1 and G2 in NK cells: minus the mean of the two predicted values."""
    result = screen(workspace, network, small_library, cell_types="NK cells")
    hits = result.hits()
    response = result.predict_hit(hits["id"][0]).set_index("gene")["response"]
    assert hits["score"][0] == pytest.approx(-(response["G1"] + response["G2"]) / 2, abs=1e-5)
    assert result.cell_types == ["NK cells"]
    assert "score/B cells" not in hits


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_p_values_equal_random_signatures(
    objective: str, workspace: Settings, every_model: str, small_library: Path
) -> None:
    """Every draw scored on the predicted responses, one by one."""
    result = screen(workspace, every_model, small_library, objective=OBJECTIVES[objective])
    hits, scorer = result.hits(), scorer_of(result.folder)
    own = predictor(every_model, workspace)
    null = np.mean(
        [scorer.objective.null_scores(long_way(own, hits, cell), 0, 50) for cell in CELLS], axis=0
    )
    expected = (1 + (null >= hits["score"].to_numpy()[:, None]).sum(axis=1)) / 51
    assert np.mean(np.abs(hits["p_value"] - expected) < 1e-9) > 0.9  # a tie may round either way
    assert hits["p_value"].to_numpy() == pytest.approx(expected, abs=0.05)
    assert hits["q_value"].to_numpy() == pytest.approx(
        false_discovery_rate(hits["p_value"].to_numpy())
    )


def test_null_of_a_random_signature_is_uniform() -> None:
    """P-values of signatures that are random themselves are not smaller than chance."""
    from core.studies.screening.objectives import Objective

    rng = np.random.default_rng(0)
    response = rng.normal(size=(1, 400)) ** 3
    p = []
    for seed in range(150):
        genes = rng.choice(400, 30, replace=False)
        made = Objective(genes[:20], genes[20:], np.r_[np.ones(20), -np.ones(10)], 400, "cosine", 1)
        drawn = Objective(made.up, made.down, made.weights, 400, "cosine", 1, 99, seed)
        null = drawn.null_scores(response, 0, 99)
        p.append((1 + (null >= made.scores(response)[:, None]).sum()) / 100)
    assert np.mean(p) == pytest.approx(0.5, abs=0.08)
    assert np.mean(np.asarray(p) <= 0.1) < 0.19


def test_every_row_is_accounted_for(workspace: Settings, network: str, tmp_path: Path) -> None:
    texts = [*MOLECULES, "C1CC", "", "CC>>CO", "C[Na", "[He]", "N#N=N#N", "[H][H]", "é"]
    path = tmp_path / "rows.csv"
    path.write_text("name,smiles\n" + "".join(f"x{i},{t}\n" for i, t in enumerate(texts)))
    result = screen(workspace, network, path)
    hits, rejected, merged = result.hits(), result.rejected(), result.merged()
    assert sorted([*hits["row"], *rejected["row"], *merged["row"]]) == [*range(1, len(texts) + 1)]
    assert (rejected["reason"].str.len() > 10).all()
    assert merged.to_dict("records") == [{"row": 5, "kept_row": 4}]
    summary = result.summary()
    assert summary["read"] == len(texts)
    assert summary["unique"] + summary["merged"] + summary["rejected"] == len(texts)
    salt = hits.set_index("row").loc[6]
    assert salt["smiles"] == "C[N+](C)(C)CCO"
    assert hits.set_index("row")["n_rows"].loc[4] == 2


def test_training_compounds_are_recognised(
    workspace: Settings, network: str, small_library: Path
) -> None:
    hits = screen(workspace, network, small_library).hits().set_index("id")
    assert hits.loc["m3", "training_compound"] == "compound 1"
    assert hits.loc["m3", "similarity"] == 1.0
    assert hits.loc["m3", "in_domain"]
    assert hits.loc["m5", "training_compound"] == ""
    assert not hits.loc["m5", "in_domain"]


def test_spread_is_that_of_the_members(
    workspace: Settings, every_model: str, network: str, small_library: Path
) -> None:
    objective = OBJECTIVES["mean"]
    hits = screen(workspace, every_model, small_library, objective=objective).hits(3)
    own = predictor(every_model, workspace)
    obs = pd.DataFrame({"SMILES": hits["smiles"], "sm_name": hits["training_compound"]})
    members = []
    for name in own.members:
        found = [own.predict(obs.assign(cell_type=cell))["members"][name] for cell in CELLS]
        members.append(np.mean(found, axis=0)[:, [4, 7]].mean(axis=1))
    weights = np.asarray(own.weights) / own.weights.sum()
    center = weights @ np.stack(members)
    expected = np.sqrt(weights @ (np.stack(members) - center) ** 2)
    assert hits["spread"].to_numpy() == pytest.approx(expected, abs=1e-4)
    assert screen(workspace, network, small_library).hits()["spread"].isna().all()


def test_features_are_the_pipelines(workspace: Settings, every_model: str) -> None:
    own = predictor(every_model, workspace)
    smiles = ["CC(=O)Oc1ccccc1C(=O)O", "c1ccccc1CO"]
    molecules = Molecules([Chem.MolFromSmiles(text) for text in smiles], ["", "compound 1"])
    made = FeatureMaker(own.pipeline, kernel=True).inputs(molecules, "B cells")
    obs = pd.DataFrame(
        {"cell_type": "B cells", "sm_name": ["new", "compound 1"], "SMILES": molecules.smiles}
    )
    expected = own.pipeline.transform(obs)
    assert dict(made.branches) == dict(expected.branches)
    for name, view in expected.views.items():
        np.testing.assert_array_equal(made.views[name], view, err_msg=name)
    np.testing.assert_array_equal(made.cell_type, expected.cell_type)
    np.testing.assert_array_equal(made.compound, expected.compound)


def test_linear_views_are_the_models(workspace: Settings, every_model: str) -> None:
    """Each member alone: offset + hidden × basis is its own prediction."""
    own = predictor(every_model, workspace)
    obs = pd.DataFrame({"cell_type": CELLS, "sm_name": "x", "SMILES": MOLECULES[:3]})
    inputs = own.pipeline.transform(obs)
    for name, model in own.members.items():
        folded = FoldedEnsemble.of({name: model}, np.ones(1))
        expected = model.predict(inputs)
        hidden = folded.hidden(inputs)
        scale = float(np.abs(expected).max())
        assert folded.responses(hidden)[0] == pytest.approx(expected, abs=1e-4 * scale), name
        norms = np.linalg.norm(expected.astype(np.float64), axis=1)
        assert folded.norms(hidden) == pytest.approx(norms, rel=1e-4), name


def test_identity_keys_do_not_depend_on_the_writing() -> None:
    mol = Chem.MolFromSmiles("O=C(O)c1ccccc1-c1ccc2[nH]ccc2c1")
    written = [Chem.MolToSmiles(mol, doRandom=True) for _ in range(5)]
    other = [Chem.MolFromSmiles(text) for text in (*written, "CCO")]
    keys = identity_keys(Molecules(other, [""] * 6))
    assert len(set(keys[:5])) == 1
    assert keys[5] != keys[0]


def test_counted_molecules_are_the_molecules() -> None:
    """What is kept of texts that pass by equals what is computed of molecules that are held."""
    texts = ["C[C@H](N)C(=O)O", "c1ccccc1CO", "O=[N+]([O-])c1ccccc1"]
    held = Molecules([Chem.MolFromSmiles(text) for text in texts], [""] * 3)
    passed = CountedMolecules()
    for text in texts:
        mol = read_clean(text)
        assert mol is not None
        passed.add(mol, text)
    np.testing.assert_array_equal(passed.counts, held.counts)
    np.testing.assert_array_equal(passed.bits.toarray(), held.bits.toarray())
    np.testing.assert_array_equal(identity_keys(passed), identity_keys(held))
    assert [passed.canonical(i) for i in range(3)] == held.smiles
    assert list(passed.named(["a", "b", "c"]).names) == ["a", "b", "c"]


def test_stereoisomers_stay_apart(workspace: Settings, network: str, tmp_path: Path) -> None:
    """Equal keys, different canonical SMILES."""
    path = library(tmp_path, ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "N[C@@H](C)C(=O)O"])
    result = screen(workspace, network, path)
    assert result.summary()["unique"] == 2
    assert result.merged()["row"].tolist() == [3]


def test_attribution_masks_fragments(
    workspace: Settings, network: str, small_library: Path
) -> None:
    result = screen(workspace, network, small_library)
    found = result.attribution("m8")
    hit = result.hit("m8")
    assert found.score == pytest.approx(hit["score"], abs=1e-6)
    atoms = sorted(atom for piece in found.fragments["atoms"] for atom in piece)
    assert atoms == list(range(found.mol.GetNumAtoms()))
    assert found.fragments["change"].abs().max() > 0
    assert found.atoms.sum() == pytest.approx(found.fragments["change"].sum())


def test_exports(workspace: Settings, network: str, tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text(
        "name;smiles\n=HYPERLINK(1);CCO\n+x;CCN\n-y;CCC\n@z;CCCC\n"
        "<script>alert(1)</script>;CCCO\n$$$$ > <score>;CCCN\n"
    )
    result = screen(workspace, network, path)
    result.write_csv(tmp_path / "hits.csv")
    written = pd.read_csv(tmp_path / "hits.csv")
    assert not written["id"].str.startswith(("=", "+", "-", "@")).any()
    assert written["score"].to_numpy() == pytest.approx(result.hits()["score"].to_numpy())
    n = result.write_sdf(tmp_path / "hits.sdf")
    assert n == 6
    read = list(Chem.SDMolSupplier(str(tmp_path / "hits.sdf")))
    assert [Chem.MolToSmiles(mol) for mol in read] == result.hits()["smiles"].tolist()
    assert [float(mol.GetProp("score")) for mol in read] == pytest.approx(
        result.hits()["score"].tolist()
    )
    rows = result.hits()["row"].tolist()[1:3]
    assert result.write_sdf(tmp_path / "two.sdf", rows) == 2
    escaped_csv(pd.DataFrame({"=a": ["\t=1"]}), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == "'=a\n'\t=1\n"


def test_molecules_that_share_an_identifier_are_exported_one_by_one(
    workspace: Settings, network: str, tmp_path: Path
) -> None:
    path = tmp_path / "same.csv"
    path.write_text("name;smiles\nA;CCO\nA;CCN\nB;CCC\n")
    result = screen(workspace, network, path)
    first = result.hits().query("id == 'A'").iloc[0]
    assert result.write_sdf(tmp_path / "one.sdf", [first["row"]]) == 1
    read = list(Chem.SDMolSupplier(str(tmp_path / "one.sdf")))
    assert [Chem.MolToSmiles(mol) for mol in read] == [first["smiles"]]


def test_a_data_sets_compounds_are_a_library(workspace: Settings, network: str) -> None:
    result = screen(workspace, network, "tiny")
    assert result.summary()["unique"] == 16
    assert set(result.hits()["training_compound"]) == {f"compound {i}" for i in range(16)}
    assert result.simulated


def test_resuming_redoes_no_finished_chunk(
    workspace: Settings, network: str, small_library: Path, tmp_path: Path
) -> None:
    """Cancelled after its first chunk; the second attempt does the other one only."""
    study = STUDIES.get("screening").value
    config = ScreeningConfig.model_validate(
        {"input": str(small_library), "run_id": network, "chunk_size": 10, "objective": GENES}
    )
    whole = screen(workspace, network, small_library, n_permutations=1000).hits()
    folder = tmp_path / "run"
    folder.mkdir()
    asked: list[int] = []
    context = StudyContext(
        folder=folder, settings=workspace, should_cancel=lambda: bool(asked.append(1)) or True
    )
    with pytest.raises(Exception, match="cancelled"):
        study.run(config, context)
    chunk = folder / "chunks" / "000000.parquet"
    written = chunk.stat().st_mtime_ns
    assert not (folder / "chunks" / "000001.parquet").exists()
    result = study.run(config, StudyContext(folder=folder, settings=workspace, resume=True))
    assert chunk.stat().st_mtime_ns == written
    assert result.summary()["chunks_resumed"] == 1
    pd.testing.assert_frame_equal(result.hits(), whole)


def test_a_changed_library_is_not_resumed(
    workspace: Settings, network: str, tmp_path: Path
) -> None:
    path = library(tmp_path, ["CCO", "CCN"])
    study = STUDIES.get("screening").value
    config = ScreeningConfig.model_validate(
        {"input": str(path), "run_id": network, "objective": GENES}
    )
    folder = tmp_path / "run"
    folder.mkdir()
    study.run(config, StudyContext(folder=folder, settings=workspace))
    library(tmp_path, ["CCO", "CCF"])
    with pytest.raises(RunError, match="has changed since"):
        study.run(config, StudyContext(folder=folder, settings=workspace, resume=True))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"run_id": "nobody"}, RunError, "no run 'nobody'"),
        ({"run_id": "../x"}, RunError, "no run"),
        ({"input": "missing.csv"}, DataError, "no file 'missing.csv'"),
        ({"input": ""}, DataError, "no library"),
        ({"cell_types": "Neurons"}, ConfigError, "'Neurons' was not in the model's training"),
        ({"objective": {"genes": "NOPE1"}}, DataError, "NOPE1"),
        ({"smiles_column": "structure"}, DataError, "no structure column 'structure'"),
    ],
)
def test_faults_are_one_sentence(
    changes: dict,
    error: type[Exception],
    words: str,
    workspace: Settings,
    network: str,
    small_library: Path,
    tmp_path: Path,
) -> None:
    config = ScreeningConfig.model_validate(
        {"input": str(small_library), "run_id": network, "objective": GENES} | changes
    )
    with pytest.raises(error, match=words):
        STUDIES.get("screening").value.run(
            config, StudyContext(folder=tmp_path, settings=workspace)
        )


@pytest.mark.parametrize(
    "objective",
    [
        {"kind": "genes", "direction": "reverse"},
        {"kind": "signature", "direction": "lower", "up": "A"},
        {"kind": "genes", "genes": ""},
        {"kind": "signature", "direction": "match"},
    ],
)
def test_impossible_objectives_are_refused(objective: dict) -> None:
    with pytest.raises(ValueError):
        ScreeningConfig.model_validate({"objective": objective})


def test_a_screen_cannot_use_an_unfinished_model(
    workspace: Settings, small_library: Path, tmp_path: Path
) -> None:
    from tests.studies.test_perturbation import make_config

    run_id = runs.run_here("perturbation", make_config(final_fit=False), settings=workspace)
    config = ScreeningConfig.model_validate({"input": str(small_library), "run_id": run_id})
    with pytest.raises(RunError, match="no final fit"):
        STUDIES.get("screening").value.run(
            config, StudyContext(folder=tmp_path, settings=workspace)
        )

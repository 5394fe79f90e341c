"""A finished screen: ranked hits, rejected rows, predictions and attribution of a hit."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from rdkit import Chem

from core.errors import RunError
from core.molecules.parse import clean_name, parse
from core.studies.perturbation.files import read_array, read_json
from core.studies.screening import files
from core.studies.screening.attribution import Attribution, attribute
from core.studies.screening.config import ScreeningConfig
from core.studies.screening.features import Molecules
from core.studies.screening.scoring import Scorer
from core.studies.screening.stream import read_plan, scorer_of

#: A spreadsheet runs a cell that begins so (CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ScreeningResult:
    """What a screen left in its folder; :meth:`load` checks that it finished."""

    def __init__(self, folder: Path, summary: dict[str, Any]) -> None:
        self.folder, self._summary = folder, summary

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open the result in ``folder``.

        Raises
        ------
        RunError
            If the screen has not finished.
        """
        folder = Path(folder)
        return cls(folder, read_json(folder / files.SUMMARY))

    @property
    def config(self) -> ScreeningConfig:
        """The configuration of the screen."""
        return read_plan(self.folder)[0]

    @property
    def facts(self) -> dict[str, Any]:
        """Everything of ``summary.json``, words included."""
        return self._summary

    @property
    def simulated(self) -> bool:
        """Whether the model was trained on a simulation: its hits are then no real hits."""
        return bool(self._summary.get("simulated"))

    @property
    def cell_types(self) -> list[str]:
        """Cell types in which the objective was judged."""
        return list(read_plan(self.folder)[1]["cell_types"])

    def summary(self) -> dict[str, float]:
        """Numbers for the run store: read, unique, rejected, rate, seconds, memory and more."""
        return {
            key: float(value)
            for key, value in self._summary.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }

    def data_hash(self) -> str:
        """SHA-256 of the library."""
        return str(self._summary["input_sha256"])

    def hits(self, n: int | None = None) -> pd.DataFrame:
        """Ranked molecules, the best ``n`` (default: all).

        Returns
        -------
        DataFrame
            ``rank, row, id, input, smiles, score, score/<cell type> …, spread, p_value,
            q_value, nearest, similarity, training_compound, in_domain, n_rows``.
        """
        path = self.folder / files.HITS
        if n is None:
            return pd.read_parquet(path)
        batches = []
        for batch in pq.ParquetFile(path).iter_batches(batch_size=max(min(n, 65_536), 1)):
            batches.append(batch.to_pandas())
            if sum(map(len, batches)) >= n:
                break
        if not batches:
            return pd.read_parquet(path)
        return pd.concat(batches, ignore_index=True).head(n)

    def rejected(self) -> pd.DataFrame:
        """Rows that could not be screened: ``row, id, input, reason``."""
        return pd.read_parquet(self.folder / files.REJECTED)

    def merged(self) -> pd.DataFrame:
        """Duplicates: ``row``, and ``kept_row`` of the same molecule."""
        return pd.read_parquet(self.folder / files.MERGED)

    def genes(self) -> pd.DataFrame:
        """How the objective's genes were found: ``given, gene, status``."""
        return pd.read_parquet(self.folder / files.GENE_REPORT)

    def hit(self, id: str) -> pd.Series:
        """The best-ranked hit called ``id``.

        Raises
        ------
        RunError
            Where there is none.
        """
        found = pd.read_parquet(self.folder / files.HITS, filters=[("id", "==", str(id))])
        if found.empty:
            raise RunError(f"The screen has no hit called '{id}'.")
        return found.iloc[0]

    def predict_hit(self, id: str) -> pd.DataFrame:
        """Predicted response of one hit: ``cell_type, gene, response, spread``.

        ``spread`` is the weighted standard deviation over the ensemble's members, NaN for a
        single model. Kept responses are read, others are predicted now.
        """
        hit = self.hit(id)
        kept = self.folder / files.TOP_IDS
        rows = json.loads(kept.read_text()) if kept.exists() else []
        if int(hit["row"]) in rows:
            stored = read_array(self.folder / files.TOP)[:, rows.index(int(hit["row"]))]
            mean, spread = stored[0], stored[1]
        else:
            means, spreads = self.predict_rows(hit.to_frame().T)
            mean, spread = means[0], spreads[0]
        genes = self._scorer().predictor.genes
        cells = self.cell_types
        return pd.DataFrame(
            {
                "cell_type": np.repeat(cells, len(genes)),
                "gene": np.tile(np.asarray(genes, dtype=object), len(cells)),
                "response": np.asarray(mean, dtype=np.float32).ravel(),
                "spread": np.asarray(spread, dtype=np.float32).ravel(),
            }
        )

    def predict_rows(self, hits: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Responses and spreads of hits, float32 ``(n, n_cell_types, n_genes)`` each."""
        scorer = self._scorer()
        molecules = Molecules(
            [parse(text) for text in hits["smiles"]], hits["training_compound"].tolist()
        )
        ensemble = scorer.ensemble
        weights = np.abs(ensemble.weights) / np.abs(ensemble.weights).sum()
        means, spreads = [], []
        for cell_type in scorer.cell_types:
            members = np.stack(scorer.response(molecules, cell_type))
            means.append(ensemble.join(list(members)))
            if len(members) < 2:
                spreads.append(np.full_like(means[-1], np.nan))
                continue
            center = np.tensordot(weights, members, axes=1)
            spreads.append(np.sqrt(np.tensordot(weights, (members - center) ** 2, axes=1)))
        mean, spread = np.stack(means, axis=1), np.stack(spreads, axis=1)
        return mean.astype(np.float32), spread.astype(np.float32)

    def attribution(self, id: str) -> Attribution:
        """What each fragment of a hit contributes to its score; see :func:`attribute`."""
        hit = self.hit(id)
        return attribute(self._scorer(), parse(hit["smiles"]), str(hit["training_compound"]))

    def write_csv(self, path: Path, hits: pd.DataFrame | None = None) -> None:
        """Hits as CSV; texts that a spreadsheet would run as a formula get a leading apostrophe."""
        escaped_csv(self.hits() if hits is None else hits, Path(path))

    def write_rejected_csv(self, path: Path) -> None:
        """Rejected rows as CSV, escaped likewise."""
        escaped_csv(self.rejected(), Path(path))

    def write_sdf(self, path: Path, rows: Sequence[int] | None = None) -> int:
        """Hits as SD records with their scores, all or those of some ``row``; returns how many.

        Names are cleaned, and RDKit writes the blocks from parsed structures, so no text of the
        library can break out of its field.
        """
        hits = self.hits()
        if rows is not None:
            hits = hits[hits["row"].isin([int(row) for row in rows])]
        with Path(path).open("w", encoding="utf-8") as file:
            for record in hits.to_dict("records"):
                mol = parse(record["smiles"])
                Chem.rdDepictor.Compute2DCoords(mol)
                mol.SetProp("_Name", _sd_text(record["id"])[:80])
                file.write(Chem.MolToMolBlock(mol))
                for name, value in record.items():
                    if name not in {"smiles", "input"}:
                        field = _sd_text(name).replace("<", "").replace(">", "")
                        file.write(f"> <{field}>\n{_sd_text(value)}\n\n")
                file.write("$$$$\n")
        return len(hits)

    def _scorer(self) -> Scorer:
        return scorer_of(self.folder)


def escaped_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV whose text cells no spreadsheet takes for formulas."""
    texts = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    safe = frame.copy(deep=False)
    for name in texts:
        if not pd.api.types.is_bool_dtype(frame[name]):
            safe[name] = [_inert(str(value)) for value in frame[name]]
    safe.columns = pd.Index([_inert(str(name)) for name in frame])
    safe.to_csv(path, index=False, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)


def _sd_text(value: object) -> str:
    """A value on one line that cannot end a record or a field."""
    text = clean_name(str(value)).replace("$$$$", "").strip()
    return text.lstrip("> ") or "-"


def _inert(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA) else text

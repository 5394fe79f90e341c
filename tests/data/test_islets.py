from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.data.cells import validate_cells
from core.data.readers.islets import (
    read_baron_geo,
    read_grun,
    read_lawlor,
    read_muraro,
    read_segerstolpe,
)
from core.errors import DataError
from core.progress import silent


def pack(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()))
    return path


DONOR = """"","barcode","assigned_cluster","INS","GCG","SST"
"{0}_lib1.final_cell_0001","AAA-C","beta",12,0,1
"{0}_lib1.final_cell_0002","AAA-G","alpha",0,7,0
"""


def baron_tar(path: Path, donors: dict[str, str]) -> Path:
    with tarfile.open(path, "w") as archive:
        for number, (donor, text) in enumerate(donors.items()):
            content = gzip.compress(text.encode())
            info = tarfile.TarInfo(f"GSM223075{number}_{donor}_umifm_counts.csv.gz")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_baron_from_geo(tmp_path: Path) -> None:
    mouse = DONOR.format("mouse1").replace("INS", "Ins1").replace("GCG", "Gcg")
    path = baron_tar(
        tmp_path / "raw.tar",
        {"human2": DONOR.format("human2"), "human1": DONOR.format("human1"), "mouse1": mouse},
    )
    cells = read_baron_geo("human")({"tar": path}, silent)
    assert cells.shape == (4, 3)
    np.testing.assert_array_equal(cells.X.toarray(), [[12, 0, 1], [0, 7, 0]] * 2)
    assert list(cells.var_names) == ["INS", "GCG", "SST"]
    assert set(cells.obs["donor"]) == {"human1", "human2"}
    assert (cells.obs["donor"] == cells.obs["batch"]).all()
    assert cells.obs["cell_type"].tolist() == ["beta", "alpha"] * 2
    assert cells.obs["barcode"].tolist()[0] == "AAA-C"
    assert cells.obs_names.is_unique
    mouse_cells = read_baron_geo("mouse")({"tar": path}, silent)
    assert list(mouse_cells.var_names) == ["Ins1", "Gcg", "SST"]
    assert list(tmp_path.iterdir()) == [path], "nothing unpacked is left behind"


def test_baron_faults(tmp_path: Path) -> None:
    path = tmp_path / "raw.tar"
    with pytest.raises(DataError, match="no counts of mouse donors"):
        read_baron_geo("mouse")({"tar": baron_tar(path, {"human1": DONOR.format("h")})}, silent)
    other = DONOR.format("h").replace("SST", "PPY")
    with pytest.raises(DataError, match="has other genes than"):
        donors = {"human1": DONOR.format("h"), "human2": other}
        read_baron_geo("human")({"tar": baron_tar(path, donors)}, silent)
    renamed = DONOR.format("h").replace("assigned_cluster", "cluster")
    with pytest.raises(DataError, match="no column 'assigned_cluster'"):
        read_baron_geo("human")({"tar": baron_tar(path, {"human1": renamed})}, silent)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataError, match=r"archive raw\.tar is damaged"):
        read_baron_geo("human")({"tar": path}, silent)


GRUN = """\tD2ex_1\tD101_5\tD17All1_96\tD71_3
INS__chr11\t1.004\t0\t3.012\t0
GCG__chr2\t0\t2.008\t0\t5.02
ERCC-00002__chrERCC-00002\t4\t1\t0\t0
"""


def test_grun(tmp_path: Path) -> None:
    path = pack(tmp_path / "GSE81076_D2_3_7_10_17.txt.gz", GRUN)
    cells = read_grun({"counts": path}, silent)
    np.testing.assert_allclose(
        cells.X.toarray(), [[1.004, 0], [0, 2.008], [3.012, 0], [0, 5.02]], rtol=1e-6
    )
    assert list(cells.var_names) == ["INS", "GCG"]
    assert cells.var["chromosome"].tolist() == ["chr11", "chr2"]
    assert cells.obs["donor"].tolist() == ["D2", "D10", "D17", "D7"]
    assert cells.obs["plate"].tolist() == ["D2ex", "D101", "D17All1", "D71"]
    assert cells.obs["spike_in_total"].tolist() == [4, 1, 0, 0]
    assert validate_cells(cells).organism == "human"


MURARO = """"D28-1_1"\t"D28-1_2"\t"D30-8_96"
"INS__chr11"\t3\t0\t1.002
"SST__chr3"\t0\t2.01\t0
"""


def test_muraro_whose_header_leaves_the_gene_column_out(tmp_path: Path) -> None:
    path = pack(tmp_path / "GSE85241_cellsystems_dataset_4donors_updated.csv.gz", MURARO)
    cells = read_muraro({"counts": path}, silent)
    np.testing.assert_allclose(cells.X.toarray(), [[3, 0], [0, 2.01], [1.002, 0]], rtol=1e-6)
    assert list(cells.obs_names) == ["D28-1_1", "D28-1_2", "D30-8_96"]
    assert cells.obs["donor"].tolist() == ["D28", "D28", "D30"]
    assert cells.obs["plate"].tolist() == ["D28-1", "D28-1", "D30-8"]
    assert list(cells.var_names) == ["INS", "SST"]


LAWLOR = """"","10th_C1_S59","9th_C73_S14"
"ENSG00000254647",120.5,0
"ENSG00000115263",0,33
"""
SERIES = """!Series_title\t"Islets"
!Sample_title\t"9th_C73_S14"\t"10th_C1_S59"
!Sample_characteristics_ch1\t"cell type: Alpha"\t"cell type: Beta"
!Sample_characteristics_ch1\t"islet unos id: ACCG268"\t"islet unos id: ACJV399"
!Sample_characteristics_ch1\t"disease: Non-Diabetic"\t"disease: Type 2 Diabetic"
!series_matrix_table_begin
"""


def test_lawlor(tmp_path: Path) -> None:
    files = {
        "counts": pack(tmp_path / "counts.csv.gz", LAWLOR),
        "series": pack(tmp_path / "series_matrix.txt.gz", SERIES),
    }
    cells = read_lawlor(files, silent)
    np.testing.assert_allclose(cells.X.toarray(), [[120.5, 0], [0, 33]])
    assert cells.obs["cell_type"].tolist() == ["Beta", "Alpha"]
    assert cells.obs["donor"].tolist() == ["ACJV399", "ACCG268"]
    assert cells.obs["batch"].tolist() == cells.obs["donor"].tolist()
    found = validate_cells(cells)
    assert (found.identifiers, found.organism) == ("Ensembl ids", "human")
    pack(tmp_path / "series_matrix.txt.gz", "!Series_title\tx\n")
    with pytest.raises(DataError, match="no GEO series matrix"):
        read_lawlor(files, silent)


SEGERSTOLPE = (
    "#samples\tHP1502401_N13\tHP1502401_D14\n"
    "INS\tNM_000207\t9.5\t0.5\t412\t20\n"
    "SGIP1+CASP4\tNM_1+NM_2\t0\t1.5\t0\t7\n"
    "ERCC_0.01430512:mix1_0.02861023:mix2\tERCC-00002\t1\t1\t3\t4\n"
    "eGFP\teGFP\t0\t0\t0\t0\n"
)
SDRF = (
    "Source Name\tExtract Name\tCharacteristics [cell type]\tCharacteristics[individual]\t"
    "Characteristics[single cell well quality]\n"
    "s2\tHP1502401_D14\talpha cell\tHP1502401\tlow quality cell\n"
    "s1\tHP1502401_N13\tbeta cell\tHP1502401\tOK\n"
    "s1\tHP1502401_N13\tbeta cell\tHP1502401\tOK\n"
)
NAME = "pancreas_refseq_rpkms_counts_3514sc.txt"


def segerstolpe(folder: Path, text: str = SEGERSTOLPE) -> dict[str, Path]:
    with zipfile.ZipFile(folder / "processed.1.zip", "w") as archive:
        archive.writestr(NAME, text)
    (folder / "sdrf.txt").write_text(SDRF)
    return {"counts": folder / "processed.1.zip", "sdrf": folder / "sdrf.txt"}


def test_segerstolpe_reads_the_second_block(tmp_path: Path) -> None:
    cells = read_segerstolpe(segerstolpe(tmp_path), silent)
    np.testing.assert_array_equal(cells.X.toarray(), [[412, 0], [20, 7]])
    assert list(cells.var_names) == ["INS", "SGIP1+CASP4"]
    assert list(cells.obs_names) == ["HP1502401_N13", "HP1502401_D14"]
    assert cells.obs["cell_type"].tolist() == ["beta cell", "alpha cell"]
    assert cells.obs["well_quality"].tolist() == ["OK", "low quality cell"]
    assert cells.obs["batch"].tolist() == ["HP1502401"] * 2
    assert cells.obs["spike_in_total"].tolist() == [3, 4]


def test_segerstolpe_faults(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not begin with '#samples'"):
        read_segerstolpe(segerstolpe(tmp_path, SEGERSTOLPE.replace("#samples", "gene")), silent)
    narrow = SEGERSTOLPE.replace("\t412\t20", "\t412")
    with pytest.raises(DataError, match="5 fields a gene where 6 are needed"):
        read_segerstolpe(segerstolpe(tmp_path, narrow), silent)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\ta\tb\n", "has a header but no genes"),
        ("\ta\tb\nINS\t1\n", "Line 2 of x.txt.gz has 2 fields where the header has 3"),
        ("\ta\tb\nINS\t1\tmany\n", "holds text where counts are"),
    ],
)
def test_unusable_tables_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read_grun({"counts": pack(tmp_path / "x.txt.gz", text)}, silent)


def test_a_truncated_table_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = "".join(f"G{i}\t" + "\t".join(map(str, rng.random(4))) + "\n" for i in range(5000))
    path = pack(tmp_path / "x.txt.gz", "\tD2_1\tD2_2\tD3_1\tD3_2\n" + rows)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match=r"x\.txt\.gz is cut short or damaged"):
        read_grun({"counts": path}, silent)

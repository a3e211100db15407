import pytest

from colorvid.models.complexity import LOOP_FILTER, PARTS, costs, describe_model, part_of
from colorvid.models.loading import load_model
from colorvid.models.modelfile import BRANCHES


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("analysis.enter", "analysis"),
        ("prior.hyper_analysis.down1", "hyper analysis"),
        ("prior.hyper_synthesis.up1", "hyper synthesis"),
        ("prior.index_heads.first", "prior"),
        ("synthesis.coarse.trunk.enter", "synthesis"),
        ("gains", "synthesis"),
    ],
)
def test_part_of_a_layer(name: str, part: str) -> None:
    assert part_of(name) == part


def test_costs_agree_with_the_layers() -> None:
    model = load_model()
    rows = {(row.branch, row.part): row for row in costs(model)}
    inter = ("inter.luma", "inter.chroma")
    parts = {branch: (*PARTS, LOOP_FILTER) if branch in inter else PARTS for branch in BRANCHES}
    assert list(rows) == [(branch, part) for branch in BRANCHES for part in parts[branch]]
    for (_, part), row in rows.items():
        assert row.kmac > 0
        assert row.parameters > 0 or part == "analysis", "only a fixed transform has none"
        assert row.encoder_only == ("analysis" in part)
    # Counted by hand: the first layer of hyper-synthesis works at 1/64, the second at 1/32 of the
    # resolution; both come with a residual block of 5 C^2 + 9 C at 1/32.
    layer = model.network.intra.luma.prior.hyper_synthesis
    hyper, width = layer.up1.weight_int.shape[1], layer.up2.weight_int.shape[0] // 4
    middle = width // 2
    macs = hyper * 4 * middle / 64**2
    macs += (5 * middle**2 + 9 * middle + middle * 4 * width) / 32**2
    assert rows["intra.luma", "hyper synthesis"].kmac == pytest.approx(macs / 1000)


def test_a_loop_filter_has_24_weights_for_each_sample_of_a_plane() -> None:
    found = {row.branch: row for row in costs(load_model()) if row.part == LOOP_FILTER}
    assert [row.kmac for row in found.values()] == [0.024, 0.012], "two planes of a quarter each"
    assert found["inter.luma"].parameters == 8 * 70 * 24 + 64 * 2 + 64 * 6


@pytest.mark.parametrize(("kind", "most"), [("intra", 30), ("inter", 10)])
def test_default_decoder_stays_within_its_limits(kind: str, most: int) -> None:
    rows = costs(load_model())
    decoder = [r for r in rows if r.branch.startswith(kind) and not r.encoder_only]
    assert 0 < sum(row.kmac for row in decoder) < most


def test_description_sums_up() -> None:
    model = load_model()
    lines = describe_model("default", model).splitlines()
    total = sum(row.kmac for row in costs(model) if row.branch.startswith("intra"))
    encoder = next(line for line in lines if line.split()[:3] == ["intra", "sum", "encoder"])
    assert float(encoder.split()[3]) == pytest.approx(total, abs=1e-3)

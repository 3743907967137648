"""What all figures share: one legend, one palette, the files."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb

import sweeps.__main__ as command
from analysis.drawing import GROUP_STYLES, ROLES, draw_interval, legend, panels, save, seeds_note, shades, styles
from analysis.formats import also_as
from analysis.statistics import mean_interval
from sweeps.sweep import ROOT
from tests.helpers.figures import check_readable


def test_people_have_the_same_color_everywhere_and_roles_that_meet_differ():
    assert {group: how["color"] for group, how in GROUP_STYLES.items()} == {g: ROLES[g] for g in GROUP_STYLES}
    for together in (
        ("seen", "unseen", "new", "rare"),
        ("unchanged", "less", "more"),
        ("adamw", "muon"),
        ("name", "value"),
    ):
        assert len({ROLES[role] for role in together}) == len(together)


def test_ordered_groups_go_from_dark_to_light_and_are_seen_on_white():
    lightness = [color[:3] @ (0.299, 0.587, 0.114) for color in shades(8)]
    assert lightness == sorted(lightness)
    assert lightness[-1] < 0.75
    assert list(styles("abc", ordered=True)) == ["a", "b", "c"]
    assert all(
        0.299 * r + 0.587 * g + 0.114 * b < 0.7
        for r, g, b in map(to_rgb, (styles("abcdefg")[n]["color"] for n in "abcdefg"))
    )


def test_an_interval_shows_mean_bar_and_every_seed():
    _, (upright, lying) = panels(1, 2, 2)
    values = [0.2, 0.3, 0.7]
    draw_interval(upright, 4, values, seeds_at=5, color="black")
    draw_interval(lying, 4, values, upright=False, color="black")
    mean, low, high = mean_interval(values)
    for axes, turned, place in ((upright, False, 5), (lying, True, 4)):
        (box,) = axes.containers
        assert box.lines[0].get_xydata()[0].tolist() == pytest.approx([mean, 4] if turned else [4, mean])
        (ends,) = box.lines[2][0].get_segments()
        assert ends[:, 0 if turned else 1] == pytest.approx([low, high])
        crosses = axes.lines[-1].get_xydata()
        assert crosses[:, :: -1 if turned else 1].tolist() == [[place, value] for value in values]


@pytest.mark.parametrize(
    ("groups", "note"),
    [
        ([[1]], "one seed"),
        ([[1], [2]], "one seed each"),
        ([[1, 2, 3]] * 2, "thick lines: mean of n = 3 seeds; thin lines: each seed"),
        ([[1], [1, 2]], "thick lines: mean of n = 1 to 2 seeds; thin lines: each seed"),
    ],
)
def test_a_figure_says_what_its_lines_are(groups, note):
    assert seeds_note(groups) == note


@pytest.mark.parametrize("width", [3.0, 8.3])
def test_a_legend_takes_as_many_columns_as_fit_and_the_panels_keep_their_size(width):
    figure, axes = panels(1, 1, 2, width=width)
    for name in ("a name", "another", "a third one", "a last one"):
        axes.plot([0, 1], [0, 1], label=name)
    legend(figure, "a note that is longer than a narrow figure is wide, so that it has to be wrapped")
    assert figure.legends[0]._ncols == (4 if width > 5 else 2)
    assert figure.get_figheight() > 2.3
    check_readable(figure)


@pytest.mark.parametrize("fault", ["letters", "panels"])
def test_what_is_cut_off_or_covered_is_found(fault):
    figure, axes = plt.subplots(1, 2, figsize=(4, 2))
    if fault == "letters":
        figure.subplots_adjust(wspace=1)
        axes[0].set_title("a title that is much longer than the figure is wide, in letters of a usual size")
    else:
        figure.subplots_adjust(left=0.2, bottom=0.2, wspace=0)
    with pytest.raises(AssertionError, match="inches left" if fault == "letters" else "overlap"):
        check_readable(figure)


def test_a_figure_is_written_in_the_formats_that_were_asked_for_the_same_each_time(tmp_path):
    def draw(folder):
        folder.mkdir()
        figure, axes = panels(1, 1, 1, width=1)
        axes.plot([0, 1])
        save(figure, folder / "one.png")
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    assert draw(tmp_path / "plain").keys() == {"one.png"}
    with also_as(["pdf", "svg"]):
        once, again = draw(tmp_path / "a"), draw(tmp_path / "b")
    assert once.keys() == {"one.png", "one.pdf", "one.svg"}
    assert once == again
    assert once["one.pdf"].startswith(b"%PDF")
    assert b"/Type3" not in once["one.pdf"]
    assert draw(tmp_path / "after").keys() == {"one.png"}


def test_an_experiment_is_plotted_in_further_formats(tmp_path):
    (tmp_path / "plot.py").write_text(
        "import matplotlib.pyplot as plt\nfrom sweeps.results import publish\n\n\n"
        "def main(folder):\n    publish(folder, {'one': plt.figure(figsize=(1, 1))}, 'table', {})\n"
    )
    command.main(["plot", str(tmp_path), "--also", "pdf"])
    assert {path.name for path in (tmp_path / "results").iterdir()} == {"one.png", "one.pdf", "table.md", "claims.json"}


def test_making_a_figure_leaves_the_settings_of_matplotlib_alone():
    before = dict(plt.rcParams)
    figure, _ = panels(1, 2, 2)
    legend(figure, "note")
    assert dict(plt.rcParams) == before
    assert figure.axes[0].xaxis.label.get_size() == 9


def test_pictures_of_the_project_are_small():
    pictures = [file for folder in ("experiments", "docs") for file in (ROOT / folder).rglob("*.png")]
    assert len(pictures) > 20
    assert [str(file) for file in pictures if file.stat().st_size > 200_000] == []

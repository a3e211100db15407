from colorvid.evaluation.generated import generated_frames


def test_generated_clip_moves_and_fills_the_range() -> None:
    first, second = generated_frames(2, 65, 33)
    assert (first.width, first.height) == (65, 33)
    assert first.y.std() > 10 and first.u.std() > 2
    assert abs(first.y.astype(int) - second.y).mean() > 2

"""Choice of scaled JPEG decoding by a fit, as recorded in run.json."""

import msgspec


class ScaleTrial(msgspec.Struct, frozen=True):
    """Comparison of one scale with full decoding, on validation frames, with a linear head fitted for each of both.

    wrong: number of wrong frames. loss_difference: mean difference of the log loss of a frame, in nats; positive if
    scaled decoding is worse. loss_bound: its upper 95 % confidence bound. decode_ratio: time to decode a frame, divided
    by that of full decoding.
    """

    scale: int
    wrong: int
    loss_difference: float
    loss_bound: float
    decode_ratio: float
    accepted: bool

    @property
    def text(self) -> str:
        """Return what was measured, for messages."""
        return (
            f"/{self.scale}: {self.wrong} wrong, log loss {self.loss_difference:+.4f} (at most "
            f"{self.loss_bound:+.4f}), decoding takes {self.decode_ratio:.0%} of the time"
        )


class ScaleFacts(msgspec.Struct, frozen=True):
    """Choice of the scale of JPEG decoding. scale: 1 for full decoding. trials: from the largest scale on.

    trained, frames: number of training frames and of validation frames that the trials used. wrong: number of wrong
    frames with full decoding.
    """

    scale: int
    trained: int
    frames: int
    wrong: int
    trials: list[ScaleTrial]

    @property
    def text(self) -> str:
        """Return the choice and what was measured, for messages."""
        measured = "; ".join(trial.text for trial in self.trials)
        return f"on {self.frames:,} validation frames, full: {self.wrong} wrong; {measured}"

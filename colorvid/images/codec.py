"""The codec of key frames as an image codec in PyTorch: to code with, to train, to compare."""

from __future__ import annotations

import copy
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorvid.bitstream import FrameType, Packet
from colorvid.codec.decoder import Decoder
from colorvid.codec.encoder import Encoder
from colorvid.codec.settings import EncoderSettings
from colorvid.config import DEFAULT_QUALITY, INTRA_BLOCK, QUALITIES, is_whole
from colorvid.errors import ConfigError, DamagedStream, InputError
from colorvid.exact.layers import exact_layers
from colorvid.frame import Size
from colorvid.images.pictures import Kind, Rgb, from_rgb, spec_of, to_rgb
from colorvid.images.stills import decode_picture, encode_picture
from colorvid.models.loading import Model, load_model, model_on
from colorvid.models.modelfile import find_model
from colorvid.models.networks import restored_network, save_model
from colorvid.nn.transforms import UNIT
from colorvid.quality.color import ColorSpec, frame_to_rgb, rgb_to_frame
from colorvid.training.loop.weights import restored_part
from colorvid.training.tables import make_tables
from colorvid.training.tasks.delta_e import yuv420_to_rgb
from colorvid.training.tasks.rate import BranchRate

if TYPE_CHECKING:
    from PIL.Image import Image

_PARTS = ("luma", "chroma")
_HEAD_BYTES = 3  # of a string of `compress`: quality, CRC of the decoded planes as in packets


class ImageCodec(nn.Module):
    """One model for 64 qualities: R'G'B' pictures to bytes and back, and a forward pass to train.

    `encode` and `decode` work on single pictures and whole ``.clv`` streams, with the integers that
    `update` last made of the weights; `forward`, `compress`, `decompress`, `update` and `aux_loss`
    are those of the models in CompressAI, so that its losses, training and evaluation take this
    module as it is. As in all that colorvid codes, colour is 4:2:0 of BT.709 inside.

    Attributes:
        quality: 0..63, where none is given.
        networks: what is trained: ``model``, and the rate models ``luma`` and ``chroma``.
    """

    def __init__(
        self,
        model: str | Path = "default",
        *,
        quality: int = DEFAULT_QUALITY,
        full_range: bool = False,
    ) -> None:
        """Load a model.

        Args:
            model: ``default``, ``color``, or a model file.
            quality: where none is given.
            full_range: code Y from 0 to 255 and not from 16 to 235.

        Raises:
            ConfigError: the quality is not allowed.
            ModelMismatch: no such model.
        """
        super().__init__()
        self.quality = _checked(quality)
        self._path = find_model(str(model))
        self._full_range = full_range
        self._exact: Model | None = model_on("cpu", str(model))
        self.networks = restored_part(self._path, "intra").requires_grad_(True)

    def __repr__(self) -> str:
        """Model and quality; its networks would fill a screen."""
        return f"ImageCodec({self._path.stem!r}, quality={self.quality})"

    @property
    def spec(self) -> ColorSpec:
        """What the planes inside mean."""
        return spec_of(full_range=self._full_range)

    @property
    def model(self) -> Model:
        """The integers that code.

        Raises:
            ConfigError: the weights were replaced since.
        """
        if self._exact is None:
            raise ConfigError("weights were loaded; call update() to make integers of them first")
        return self._exact

    def encode(self, picture: Rgb | Tensor | Image, quality: int | None = None) -> bytes:
        """A picture as a whole ``.clv`` stream, as `colorvid encode` writes it.

        Args:
            picture: array u8 ``(H, W, 3)``, tensor ``(3, H, W)`` of floats 0..1, or Pillow image;
                see `colorvid.images.pictures.to_rgb`.
            quality: 0..63.

        Raises:
            InputError: no such picture, or a side is longer than 8192.
            ConfigError: the quality is not allowed.
        """
        stream = io.BytesIO()
        chosen = self.quality if quality is None else quality
        encode_picture(stream, to_rgb(picture), self.model, chosen, full_range=self._full_range)
        return stream.getvalue()

    def decode(self, stream: bytes, kind: Kind = "numpy") -> Any:
        """The picture in a ``.clv`` stream.

        Args:
            stream: all its bytes.
            kind: of the result: ``numpy``, ``pil`` or ``torch``, see
                `colorvid.images.pictures.from_rgb`.

        Raises:
            ColorvidError: see `colorvid.images.stills.decode_picture`.
            ConfigError: an unknown kind.
        """
        return from_rgb(decode_picture(stream, self.model), kind)

    def forward(self, x: Tensor, quality: int | Tensor | None = None) -> dict[str, Any]:
        """Code as training sees it, with gradients.

        Args:
            x: R'G'B' ``(B, 3, H, W)``, floats 0..1.
            quality: 0..63 for all pictures, or int64 ``(B,)``.

        Returns:
            ``x_hat``: of the shape of ``x``, not clipped. ``likelihoods``: ``y`` and ``z`` of luma,
            ``uv`` and ``uv_z`` of chroma, ``(B, C, h, w)``; minus the sum of their binary
            logarithms are the bits.

        Raises:
            InputError: ``x`` has another shape.
            ConfigError: a quality is not allowed.
        """
        if x.dim() != 4 or x.shape[1] != 3 or 0 in x.shape:
            raise InputError(f"x has shape {tuple(x.shape)}; it must be (batch, 3, height, width)")
        height, width = x.shape[-2:]
        y, uv = rgb_to_yuv420(_padded(x), self.spec)
        to_units = 255 / UNIT
        y, uv = (p * to_units - 128 / UNIT for p in (y, uv))
        output = self.networks["model"](y, uv, self._qualities(quality, x))
        y_hat, uv_hat = (p.float() / to_units + 128 / 255 for p in (output.y, output.uv))
        x_hat = yuv420_to_rgb(y_hat[:, 0], uv_hat[:, 0], uv_hat[:, 1], self.spec)
        luma, chroma = (self._rate(p).likelihoods(getattr(output, p)) for p in _PARTS)
        return {
            "x_hat": x_hat[..., :height, :width],
            "likelihoods": {"y": luma[0], "z": luma[1], "uv": chroma[0], "uv_z": chroma[1]},
        }

    def _rate(self, part: str) -> BranchRate:
        rate = self.networks[part]
        assert isinstance(rate, BranchRate)
        return rate

    def _qualities(self, quality: int | Tensor | None, x: Tensor) -> Tensor:
        """A quality for each picture, int64 ``(B,)``."""
        if isinstance(quality, Tensor):
            if quality.shape != (len(x),) or quality.dtype != torch.int64:
                raise ConfigError(
                    f"quality is of {quality.dtype}, shape {tuple(quality.shape)}; it must be an "
                    f"integer, or int64 of shape ({len(x)},)"
                )
            if not bool(((quality >= 0) & (quality < QUALITIES)).all()):
                raise ConfigError(
                    f"quality has values out of range; allowed are 0..{QUALITIES - 1}"
                )
            return quality.to(x.device)
        chosen = _checked(self.quality if quality is None else quality)
        return torch.full((len(x),), chosen, dtype=torch.int64, device=x.device)

    @torch.no_grad()
    def compress(self, x: Tensor, quality: int | None = None) -> dict[str, Any]:
        """Code pictures with the integers.

        Args:
            x: R'G'B' ``(B, 3, H, W)``, floats 0..1.
            quality: 0..63.

        Returns:
            ``strings``: one list, with the bytes of each picture: what a packet of a ``.clv``
            stream holds of it, and a byte for its quality. ``shape``: ``(H, W)``.

        Raises:
            InputError: ``x`` has another shape.
            ConfigError: the quality is not allowed.
        """
        if x.dim() != 4:
            raise InputError(f"x has shape {tuple(x.shape)}; it must be (batch, 3, height, width)")
        settings = EncoderSettings(quality=self.quality if quality is None else quality, gop=1)
        strings = []
        for picture in x:
            frame = rgb_to_frame(to_rgb(picture, "x"), self.spec)
            [coded] = Encoder(self.model, settings).push(frame)
            packet = coded.packet
            head = bytes((packet.quality,)) + packet.frame_crc.to_bytes(2, "little")
            strings.append(head + packet.latents)
        return {"strings": [strings], "shape": tuple(x.shape[-2:])}

    @torch.no_grad()
    def decompress(
        self, strings: Sequence[Sequence[bytes]], shape: Sequence[int]
    ) -> dict[str, Tensor]:
        """What `compress` has coded.

        Returns:
            ``x_hat``: R'G'B' ``(B, 3, H, W)``, floats 0..1, multiples of 1/255.

        Raises:
            DamagedStream: a string is too short or damaged.
            HashMismatch: a picture is not the one that was encoded.
        """
        height, width = shape
        pictures = []
        for string in strings[0]:
            if len(string) < _HEAD_BYTES or string[0] >= QUALITIES:
                raise DamagedStream("a string of compress() is cut or damaged")
            packet = Packet(
                frame_type=FrameType.KEY,
                quality=string[0],
                frame_number=0,
                frame_crc=int.from_bytes(string[1:_HEAD_BYTES], "little"),
                motion=b"",
                latents=bytes(string[_HEAD_BYTES:]),
            )
            frame = Decoder(self.model, Size(width, height)).decode(packet)
            pictures.append(from_rgb(frame_to_rgb(frame, self.spec), "torch"))
        return {"x_hat": torch.stack(pictures)}

    def aux_loss(self) -> Tensor:
        """The loss of the quantiles of CompressAI's bottlenecks; coding does not need it."""
        losses: list[Tensor] = [self._rate(part).bottleneck.loss() for part in _PARTS]
        return torch.stack(losses).sum()

    def update(self, force: bool = True) -> bool:
        """Make the integers and tables that code from the weights as they are now.

        Args:
            force: make them anew even if there are some.

        Returns:
            Whether they were made.

        Raises:
            ConfigError: a sum in the decoder is not proved exact.
        """
        if self._exact is not None and not force:
            return False
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            self.save(path)
            self._exact = model_on("cpu", str(path))
        return True

    @torch.no_grad()
    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the weights as a model file, for `ImageCodec` and for ``--model``.

        Inter frames are coded as by the model that this one was made from. Tables follow the
        distributions of the training; ``colorvid export`` counts symbols too.

        Args:
            path: of the file.
            overwrite: whether an existing file is replaced.

        Raises:
            ConfigError: a sum in the decoder is not proved exact.
            OutputError: the file exists or cannot be written.
        """
        video = restored_network(str(self._path))
        weights = self.networks["model"].state_dict()
        video.intra.load_state_dict({n: v.detach().cpu() for n, v in weights.items()})
        for _, layer in exact_layers(video.intra):
            layer.finalise()
        rates = {f"intra.{p}": copy.deepcopy(self._rate(p)).cpu() for p in _PARTS}
        books = load_model(str(self._path)).books
        kept = {n: (b.hyper, b.latents) for n, b in books.items() if n not in rates}
        tables = kept | make_tables(video, rates, [])
        save_model(Path(path), video, tables, overwrite=overwrite)

    def load_state_dict(self, *args: Any, **options: Any) -> Any:
        """Load weights as any module does; the integers no longer hold, see `update`."""
        self._exact = None
        return super().load_state_dict(*args, **options)


def _checked(quality: object) -> int:
    """A quality that is allowed."""
    if not is_whole(quality, 0, QUALITIES - 1):
        raise ConfigError(f"quality {quality!r} is not allowed; it must be 0..{QUALITIES - 1}")
    assert isinstance(quality, int)
    return quality


def _padded(x: Tensor) -> Tensor:
    """Repeat the last row and column up to whole blocks."""
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % INTRA_BLOCK, 0, -height % INTRA_BLOCK), mode="replicate")


def rgb_to_yuv420(rgb: Tensor, spec: ColorSpec) -> tuple[Tensor, Tensor]:
    """4:2:0 planes, as `colorvid.quality.color.rgb_to_frame`, not rounded and with gradients.

    Args:
        rgb: ``(B, 3, H, W)``, 0..1, sides even.
        spec: what the planes shall mean; chroma on even columns, between rows.

    Returns:
        Y ``(B, 1, H, W)`` and UV ``(B, 2, H/2, W/2)``, code values / 255.
    """
    kr, kg, kb = spec.luma_weights
    black, luma_scale, chroma_scale = (value / 255 for value in spec.scales)
    r, g, b = rgb.float().unbind(1)
    y = kr * r + kg * g + kb * b
    uv = torch.stack(((b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))), dim=1)
    uv = (uv[:, :, ::2] + uv[:, :, 1::2]) / 2
    left = F.pad(uv, (1, 0, 0, 0), mode="replicate")[..., :-1]
    uv = uv[..., ::2] / 2 + (left[..., ::2] + uv[..., 1::2]) / 4
    return (black + luma_scale * y)[:, None], 128 / 255 + chroma_scale * uv

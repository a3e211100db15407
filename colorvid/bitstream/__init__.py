"""The ``.clv`` container, as ``docs/bitstream.md`` specifies it; nothing here decodes pictures."""

from colorvid.bitstream.headers import StreamHeader, Tune, describe
from colorvid.bitstream.index import KeyFrame, StreamIndex
from colorvid.bitstream.order import DisplayOrder, Due, PictureBuffer
from colorvid.bitstream.packets import FrameType, Ordered, Packet, PacketHeader
from colorvid.bitstream.reader import ClvReader, Damage, OnDamage, rebuild_index
from colorvid.bitstream.summary import FrameSummary, StreamSummary, summarise
from colorvid.bitstream.writer import ClvWriter

__all__ = [
    "ClvReader",
    "ClvWriter",
    "Damage",
    "DisplayOrder",
    "Due",
    "FrameSummary",
    "FrameType",
    "KeyFrame",
    "OnDamage",
    "Ordered",
    "Packet",
    "PacketHeader",
    "PictureBuffer",
    "StreamHeader",
    "StreamIndex",
    "StreamSummary",
    "Tune",
    "describe",
    "rebuild_index",
    "summarise",
]

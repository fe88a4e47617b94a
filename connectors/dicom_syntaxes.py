"""The transfer syntaxes that we take. Not among them: deflated, for a few bytes of it may be gigabytes unpacked.

Nothing is unpacked here; an instance rests and leaves in the syntax that it came in. Source: DICOM PS3.5 10, PS3.6 A.
"""

from __future__ import annotations

EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
#: What identifiers, requests and reports are written in.
PLAIN = (EXPLICIT_LE, IMPLICIT_LE)

#: What instances are taken in, in the order of preference.
RECEIVED = (
    EXPLICIT_LE,
    IMPLICIT_LE,
    "1.2.840.10008.1.2.4.70",  # JPEG Lossless, first-order prediction
    "1.2.840.10008.1.2.4.57",  # JPEG Lossless
    "1.2.840.10008.1.2.4.80",  # JPEG-LS Lossless
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.201",  # High-Throughput JPEG 2000 lossless
    "1.2.840.10008.1.2.4.202",  # High-Throughput JPEG 2000 with RPCL, lossless
    "1.2.840.10008.1.2.4.203",  # High-Throughput JPEG 2000
    "1.2.840.10008.1.2.5",  # RLE Lossless
    "1.2.840.10008.1.2.4.50",  # JPEG Baseline
    "1.2.840.10008.1.2.4.51",  # JPEG Extended
    "1.2.840.10008.1.2.4.100",  # MPEG2 Main Profile, Main Level
    "1.2.840.10008.1.2.4.101",  # MPEG2 Main Profile, High Level
    "1.2.840.10008.1.2.4.102",  # MPEG-4 AVC/H.264 High Profile, Level 4.1
    "1.2.840.10008.1.2.4.103",  # the same, BD-compatible
    "1.2.840.10008.1.2.4.104",  # MPEG-4 AVC/H.264 High Profile, Level 4.2, 2D
    "1.2.840.10008.1.2.4.105",  # the same, 3D
    "1.2.840.10008.1.2.4.106",  # MPEG-4 AVC/H.264 Stereo High Profile, Level 4.2
    "1.2.840.10008.1.2.4.107",  # HEVC/H.265 Main Profile, Level 5.1
    "1.2.840.10008.1.2.4.108",  # HEVC/H.265 Main 10 Profile, Level 5.1
    EXPLICIT_BE,  # retired and still met
)

"""ONNX Runtime with telemetry disabled; all of RIYL imports it from this module.

Official builds of ONNX Runtime write a device id and a database of events under the user's cache, and upload them. The
environment variable prevents this if it is set before the library loads; the call also stops events that a later
release may send.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

onnxruntime.disable_telemetry_events()

__all__ = ["onnxruntime"]

"""ONNX Runtime with its telemetry off; everything here imports it from this module.

Its official builds write a device id and a database of events under the user's cache, and upload them. The variable
prevents all of that where it is set before the library loads; the call stops what a later release may send besides.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

onnxruntime.disable_telemetry_events()

__all__ = ["onnxruntime"]

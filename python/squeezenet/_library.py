"""The shared library: where it is, its structs and functions as squeezenet.h declares them."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from ctypes import (
    POINTER,
    Structure,
    c_bool,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_size_t,
    c_ssize_t,
    c_uint64,
    c_void_p,
)
from pathlib import Path

from ._version import __version__

PIXEL_FORMATS = ("RGB", "BGR", "RGBA", "BGRA", "GRAY", "NV12", "I420", "YUYV")


class CError(Structure):
    """struct sqz_error"""

    _fields_ = [("text", c_char * 1024), ("status", c_int)]


class Sized(Structure):
    """A struct that begins with struct_size."""

    def __init__(self, **members: object) -> None:
        super().__init__(struct_size=ctypes.sizeof(type(self)), **members)


class CModelOptions(Sized):
    """struct sqz_model_options"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("dialect", c_char_p),
        ("classes_file", c_char_p),
        ("image_size", c_int),
    ]


class CModelInfo(Sized):
    """struct sqz_model_info"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("variant", c_char_p),
        ("dialect", c_char_p),
        ("made_by", c_char_p),
        ("stem", c_char_p),
        ("classes", c_int),
        ("channels", c_int),
        ("image_size", c_int),
        ("layers", c_int),
        ("parameters", c_uint64),
        ("macs", c_uint64),
        ("weight_bytes", c_size_t),
        ("activation_bytes", c_size_t),
        ("has_class_names", c_bool),
        ("preprocess", c_char * 256),
        ("has_integers", c_bool),
        ("embedding_size", c_int),
        ("class_map_height", c_int),
        ("class_map_width", c_int),
        ("class_map_start", c_double),
        ("class_map_step", c_double),
        ("unknown_score", c_char_p),
        ("unknown_threshold", c_double),
        ("temperature", c_double),
        ("class_map_border", c_int),
    ]


class CClassScore(Structure):
    """struct sqz_class_score"""

    _fields_ = [("index", c_int), ("name", c_char_p), ("probability", c_float)]


class CPixels(Sized):
    """struct sqz_pixels"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("format", c_int),
        ("width", c_int),
        ("height", c_int),
        ("planes", c_void_p * 3),
        ("strides", c_ssize_t * 3),
    ]


class CInput(Sized):
    """struct sqz_input"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("path", c_char_p),
        ("data", c_void_p),
        ("size", c_size_t),
        ("pixels", POINTER(CPixels)),
        ("samples", c_void_p),
        ("sample", c_size_t),
        ("name", c_char_p),
    ]


class CClassifyResult(Sized):
    """struct sqz_classify_result"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("status", c_int),
        ("error", POINTER(CError)),
        ("best", POINTER(CClassScore)),
        ("best_count", c_int),
        ("logits", c_void_p),
        ("logit_count", c_size_t),
        ("probabilities", c_void_p),
        ("probability_count", c_size_t),
        ("embedding", c_void_p),
        ("embedding_count", c_size_t),
        ("class_maps", c_void_p),
        ("class_map_count", c_size_t),
        ("class_map_height", c_int),
        ("class_map_width", c_int),
        ("view", c_void_p),
        ("view_size", c_size_t),
        ("unknown", c_bool),
    ]


class CClassifyOptions(Sized):
    """struct sqz_classify_options"""

    _fields_ = [("struct_size", c_size_t), ("timeout", c_double), ("cancel", c_void_p)]


STRUCTS = {
    "sqz_error": CError,
    "sqz_model_options": CModelOptions,
    "sqz_model_info": CModelInfo,
    "sqz_class_score": CClassScore,
    "sqz_pixels": CPixels,
    "sqz_input": CInput,
    "sqz_classify_result": CClassifyResult,
    "sqz_classify_options": CClassifyOptions,
}

_ERR = POINTER(CError)
_HANDLE = POINTER(c_void_p)
_FUNCTIONS = {
    "sqz_version": (c_char_p, []),
    "sqz_version_number": (c_int, []),
    "sqz_status_name": (c_char_p, [c_int]),
    "sqz_context_new": (c_int, [c_int, _HANDLE, _ERR]),
    "sqz_context_free": (None, [c_void_p]),
    "sqz_model_open": (c_int, [c_char_p, POINTER(CModelOptions), _HANDLE, _ERR]),
    "sqz_model_open_memory": (
        c_int,
        [c_char_p, c_size_t, c_char_p, POINTER(CModelOptions), _HANDLE, _ERR],
    ),
    "sqz_model_free": (None, [c_void_p]),
    "sqz_model_describe": (c_int, [c_void_p, POINTER(CModelInfo), _ERR]),
    "sqz_model_class_name": (c_char_p, [c_void_p, c_int]),
    "sqz_classifier_new": (c_int, [c_void_p, c_void_p, _HANDLE, _ERR]),
    "sqz_classifier_free": (None, [c_void_p]),
    "sqz_classify_batch": (
        c_int,
        [
            c_void_p,
            POINTER(CInput),
            POINTER(CClassifyResult),
            c_size_t,
            POINTER(CClassifyOptions),
            _ERR,
        ],
    ),
}


def _load() -> ctypes.CDLL:
    named = os.environ.get("SQUEEZENET_LIBRARY")
    beside = sorted(Path(__file__).parent.glob("libsqueezenet.so*"))
    # The SONAME of a version below 1.0 may hold the minor version, and find_library knows it.
    name = named or (str(beside[0]) if beside else ctypes.util.find_library("squeezenet"))
    if not name:
        raise ImportError(
            "libsqueezenet.so was not found: install the library, or let SQUEEZENET_LIBRARY name it."
        )
    try:
        library = ctypes.CDLL(name)
        for function, (result, arguments) in _FUNCTIONS.items():
            entry = getattr(library, function)
            entry.restype = result
            entry.argtypes = arguments
    except (OSError, AttributeError) as error:
        raise ImportError(f"{name} cannot be used as libsqueezenet: {error}") from error
    wanted = [int(part) for part in __version__.split(".")][:2]
    number = library.sqz_version_number()
    if [number // 10000, number // 100 % 100] != wanted:
        raise ImportError(
            f"{name} is version {library.sqz_version().decode()}; this module needs "
            f"{wanted[0]}.{wanted[1]}."
        )
    return library


library = _load()

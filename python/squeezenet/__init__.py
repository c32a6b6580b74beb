"""SqueezeNet image classifiers: classify files, encoded bytes, arrays, Pillow images and frames."""

from __future__ import annotations

import ctypes
import os
import threading
from array import array
from dataclasses import dataclass
from typing import Any, List, Optional, Sequence, Tuple, Union

from . import _library as _c
from ._library import library as _lib
from ._version import __version__

__all__ = ["Classifier", "Context", "Error", "Model", "ModelInfo", "Pixels", "Score", "version"]


class Error(Exception):
    """A failure of the library: its sentence, its status as a number and as a name."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status
        self.status_name: str = _lib.sqz_status_name(status).decode()


@dataclass(frozen=True)
class Score:
    """A class and its probability."""

    index: int
    name: str
    probability: float


@dataclass(frozen=True)
class ModelInfo:
    """What a model is; see struct sqz_model_info."""

    variant: str
    dialect: str
    made_by: str
    classes: int
    channels: int
    image_size: int
    parameters: int
    macs: int
    has_class_names: bool
    preprocess: str
    embedding_size: int


def version() -> str:
    """The library's version."""
    return _lib.sqz_version().decode()


def _check(status: int, err: _c.CError) -> None:
    if status:
        raise Error(err.text.decode(errors="replace"), status)


def _path(path: Union[str, "os.PathLike[str]"]) -> bytes:
    return os.fsencode(path)


class Context:
    """Worker threads. threads 0: the physical cores that this process may use."""

    def __init__(self, threads: int = 0) -> None:
        self._handle = ctypes.c_void_p()
        err = _c.CError()
        _check(_lib.sqz_context_new(threads, ctypes.byref(self._handle), err), err)

    def __del__(self) -> None:
        _lib.sqz_context_free(getattr(self, "_handle", None))


class Model:
    """A weight file, from its path or its bytes. It does not change and may be shared by threads."""

    def __init__(
        self,
        source: Union[str, "os.PathLike[str]", bytes],
        dialect: Optional[str] = None,
        classes_file: Union[str, "os.PathLike[str]", None] = None,
        image_size: int = 0,
    ) -> None:
        self._handle = ctypes.c_void_p()
        err = _c.CError()
        out = ctypes.byref(self._handle)
        options = _c.CModelOptions(
            dialect=dialect.encode() if dialect else None,
            classes_file=_path(classes_file) if classes_file is not None else None,
            image_size=image_size,
        )
        if isinstance(source, bytes):
            status = _lib.sqz_model_open_memory(source, len(source), None, options, out, err)
        else:
            status = _lib.sqz_model_open(_path(source), options, out, err)
        _check(status, err)

    def __del__(self) -> None:
        _lib.sqz_model_free(getattr(self, "_handle", None))

    @property
    def info(self) -> ModelInfo:
        """What the model is."""
        c, err = _c.CModelInfo(), _c.CError()
        _check(_lib.sqz_model_describe(self._handle, c, err), err)
        return ModelInfo(
            variant=c.variant.decode(),
            dialect=c.dialect.decode(),
            made_by=(c.made_by or b"").decode(errors="replace"),
            classes=c.classes,
            channels=c.channels,
            image_size=c.image_size,
            parameters=c.parameters,
            macs=c.macs,
            has_class_names=c.has_class_names,
            preprocess=c.preprocess.decode(),
            embedding_size=c.embedding_size,
        )

    @property
    def class_names(self) -> Optional[List[str]]:
        """The names of the classes, or None if the model does not know them."""
        info = self.info
        if not info.has_class_names:
            return None
        names = (_lib.sqz_model_class_name(self._handle, i) for i in range(info.classes))
        return [name.decode(errors="replace") for name in names]


def _address(buffer: Any) -> Tuple[int, int, Any]:
    """Where a buffer lies, its size in bytes, and what keeps it there. Read-only ones but bytes are
    copied."""
    if not isinstance(buffer, bytes):
        view = memoryview(buffer)
        if not view.contiguous:
            raise ValueError("A plane of pixels has to be a contiguous buffer.")
        if not view.readonly:
            held = (ctypes.c_char * view.nbytes).from_buffer(view.cast("B"))
            return ctypes.addressof(held), view.nbytes, (held, view)
        buffer = bytes(view)
    pointer = ctypes.cast(ctypes.c_char_p(buffer), ctypes.c_void_p)
    return pointer.value or 0, len(buffer), buffer


@dataclass
class Pixels:
    """Pixels in any format of the library: "RGB", "BGR", "RGBA", "BGRA", "GRAY", "NV12", "I420" or
    "YUYV". A plane is anything with a buffer (bytes, bytearray, memoryview, array); a stride is
    the bytes from a row to the next, 0 for contiguous rows."""

    format: str
    width: int
    height: int
    planes: Sequence[Any]
    strides: Sequence[int] = (0, 0, 0)

    def _row_bytes(self, plane: int) -> int:
        half = (self.width + 1) // 2
        row = {
            "RGB": [3 * self.width],
            "BGR": [3 * self.width],
            "RGBA": [4 * self.width],
            "BGRA": [4 * self.width],
            "GRAY": [self.width],
            "NV12": [self.width, 2 * half],
            "I420": [self.width, half, half],
            "YUYV": [4 * half],
        }[self.format]
        if len(self.planes) != len(row):
            raise ValueError(f"{self.format} has {len(row)} planes, not {len(self.planes)}.")
        return row[plane]

    def _fill(self, c: _c.CPixels, keep: List[Any]) -> None:
        if self.format not in _c.PIXEL_FORMATS:
            raise ValueError(f"{self.format!r} is none of {', '.join(_c.PIXEL_FORMATS)}.")
        c.format = _c.PIXEL_FORMATS.index(self.format)
        c.width, c.height = self.width, self.height
        for i, plane in enumerate(self.planes):
            least = self._row_bytes(i)
            stride = self.strides[i] if i < len(self.strides) else 0
            rows = (self.height + 1) // 2 if i else self.height
            address, size, held = _address(plane)
            # The library cannot know how large the buffer is.
            if stride < 0 or size < (stride or least) * (rows - 1) + least:
                raise ValueError(f"Plane {i} of {size} bytes is too small for {rows} rows.")
            c.planes[i], c.strides[i] = address, stride
            keep.append(held)


def _fill_array(interface: Any, order: str, c: _c.CPixels) -> bool:
    """Describes an array's memory as pixels; False if they do not lie in a way that can be read."""
    shape, strides = interface["shape"], interface.get("strides")
    if interface["typestr"] not in ("|u1", "<u1", ">u1") or len(shape) not in (2, 3):
        raise TypeError(
            "An array has to be uint8 of height x width, or of height x width x 1, 3 or 4."
        )
    channels = shape[2] if len(shape) == 3 else 1
    if channels not in (1, 3, 4) or order not in ("RGB", "BGR"):
        raise TypeError(f"{channels} channels in the order {order!r} are no image.")
    if strides is None:
        strides = (shape[1] * channels, channels, 1)
    if len(shape) == 3 and strides[2] != 1 and channels > 1 or strides[1] != channels:
        return False
    name = "GRAY" if channels == 1 else order + ("A" if channels == 4 else "")
    c.format = _c.PIXEL_FORMATS.index(name)
    c.height, c.width = shape[0], shape[1]
    c.planes[0], c.strides[0] = interface["data"][0], strides[0]
    return True


def _fill_input(image: Any, order: str, c: _c.CInput, keep: List[Any]) -> None:
    """Fills one input; `keep` gets what has to live until the call returns."""
    if isinstance(image, (bytes, bytearray, memoryview)):
        c.data, c.size, held = _address(image)
        keep.append(held)
        return
    if isinstance(image, (str, os.PathLike)):
        c.path = _path(image)
        return
    pixels = _c.CPixels()
    if isinstance(image, Pixels):
        image._fill(pixels, keep)
    elif hasattr(image, "tobytes") and hasattr(image, "mode"):  # Pillow
        if image.mode not in ("RGB", "RGBA", "L"):
            image = image.convert("RGB")
        name = "GRAY" if image.mode == "L" else image.mode
        Pixels(name, image.width, image.height, [image.tobytes()])._fill(pixels, keep)
    elif hasattr(image, "__array_interface__"):
        if not _fill_array(image.__array_interface__, order, pixels):
            image = image.copy(order="C")
            _fill_array(image.__array_interface__, order, pixels)
        keep.append(image)
    else:
        raise TypeError(f"A {type(image).__name__} cannot be classified.")
    keep.append(pixels)
    c.pixels = ctypes.pointer(pixels)


class Classifier:
    """A model that is ready to run. One call at a time; other threads wait."""

    def __init__(
        self,
        model: Union[Model, str, "os.PathLike[str]", bytes],
        context: Optional[Context] = None,
        threads: int = 0,
    ) -> None:
        self._handle = ctypes.c_void_p()
        self._lock = threading.Lock()
        self.model = model if isinstance(model, Model) else Model(model)
        self._context = context or Context(threads)
        self._classes = self.model.info.classes
        err = _c.CError()
        status = _lib.sqz_classifier_new(
            self._context._handle, self.model._handle, ctypes.byref(self._handle), err
        )
        _check(status, err)

    def __del__(self) -> None:
        _lib.sqz_classifier_free(getattr(self, "_handle", None))

    def _run(
        self,
        images: Sequence[Any],
        top: int,
        order: str,
        timeout: float,
        buffers: Sequence[Tuple[str, str, Sequence["array[float]"]]] = (),
    ) -> Tuple[Any, Any, List[_c.CError]]:
        n, keep = len(images), []  # type: int, List[Any]
        inputs = (_c.CInput * n)()
        results = (_c.CClassifyResult * n)()
        errors = [_c.CError() for _ in range(n)]
        best = (_c.CClassScore * (max(top, 1) * max(n, 1)))()
        for i, image in enumerate(images):
            inputs[i].struct_size = ctypes.sizeof(_c.CInput)
            _fill_input(image, order, inputs[i], keep)
            result = results[i]
            result.struct_size = ctypes.sizeof(_c.CClassifyResult)
            result.error = ctypes.pointer(errors[i])
            if top:
                first = ctypes.addressof(best) + i * top * ctypes.sizeof(_c.CClassScore)
                result.best = ctypes.cast(first, ctypes.POINTER(_c.CClassScore))
                result.best_count = top
            for member, count, arrays in buffers:
                setattr(result, member, arrays[i].buffer_info()[0])
                setattr(result, count, len(arrays[i]))
        options, err = _c.CClassifyOptions(timeout=timeout), _c.CError()
        with self._lock:
            status = _lib.sqz_classify_batch(self._handle, inputs, results, n, options, err)
        if status and not any(result.status for result in results):
            _check(status, err)  # the call itself was wrong
        del keep
        return results, best, errors

    def classify(
        self, image: Any, top: int = 5, order: str = "RGB", timeout: float = 0
    ) -> List[Score]:
        """The `top` most probable classes of one image, best first. timeout: seconds; 0: none."""
        scores = self.batch([image], top, order, timeout)[0]
        if isinstance(scores, Error):
            raise scores
        return scores

    def batch(
        self, images: Sequence[Any], top: int = 5, order: str = "RGB", timeout: float = 0
    ) -> List[Union[List[Score], Error]]:
        """The same for many images at once. An image that fails has its Error in its place."""
        if top < 1:
            raise ValueError("At least one class has to be asked for.")
        results, best, errors = self._run(images, top, order, timeout)
        out: List[Union[List[Score], Error]] = []
        for i, result in enumerate(results):
            if result.status:
                out.append(Error(errors[i].text.decode(errors="replace"), result.status))
                continue
            scores = best[i * top : i * top + result.best_count]
            out.append(
                [Score(s.index, s.name.decode(errors="replace"), s.probability) for s in scores]
            )
        return out

    def _numbers(
        self, member: str, count: str, image: Any, order: str, timeout: float, size: int = 0
    ) -> "array[float]":
        numbers = array("f", bytes(4 * (size or self._classes)))
        results, _, errors = self._run([image], 0, order, timeout, [(member, count, [numbers])])
        _check(results[0].status, errors[0])
        return numbers

    def logits(self, image: Any, order: str = "RGB", timeout: float = 0) -> "array[float]":
        """One logit a class; numpy.asarray takes it without a copy."""
        return self._numbers("logits", "logit_count", image, order, timeout)

    def probabilities(self, image: Any, order: str = "RGB", timeout: float = 0) -> "array[float]":
        """One probability a class."""
        return self._numbers("probabilities", "probability_count", image, order, timeout)

    def embedding(self, image: Any, order: str = "RGB", timeout: float = 0) -> "array[float]":
        """512 values, to compare images by."""
        size = self.model.info.embedding_size
        return self._numbers("embedding", "embedding_count", image, order, timeout, size)

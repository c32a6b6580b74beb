"""Tests of the module: python3 -m unittest, with SQUEEZENET_LIBRARY and SQUEEZENET_TEST_DIR, which
holds model.safetensors and image.png. Skips loudly what needs NumPy or Pillow."""

import os
import threading
import unittest
from pathlib import Path

import squeezenet

try:
    import numpy
except ImportError:
    numpy = None
try:
    import PIL.Image
except ImportError:
    PIL = None

HERE = Path(os.environ["SQUEEZENET_TEST_DIR"])
MODEL, IMAGE = HERE / "model.safetensors", HERE / "image.png"


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.net = squeezenet.Classifier(MODEL, threads=1)
        cls.expected = cls.net.logits(IMAGE)

    def test_version_and_model(self):
        self.assertEqual(squeezenet.version(), squeezenet.__version__)
        model = self.net.model
        self.assertEqual(model.info.variant, "squeezenet1_1")
        self.assertEqual(len(model.class_names), model.info.classes)
        with self.assertRaises(squeezenet.Error) as caught:
            squeezenet.Model(HERE / "nowhere")
        self.assertEqual(caught.exception.status_name, "SQZ_E_NOINPUT")
        self.assertIn("nowhere", str(caught.exception))

    def test_scores(self):
        scores = self.net.classify(str(IMAGE), top=3)
        self.assertEqual(len(scores), 3)
        probabilities = self.net.probabilities(IMAGE)
        self.assertAlmostEqual(sum(probabilities), 1, 5)
        self.assertEqual(scores[0].probability, max(probabilities))
        self.assertEqual(self.net.model.class_names[scores[0].index], scores[0].name)

    def test_embedding(self):
        embedding = self.net.embedding(IMAGE)
        self.assertEqual(len(embedding), 512)
        self.assertGreater(max(embedding), 0)
        self.assertGreaterEqual(min(embedding), 0)
        self.assertEqual(self.net.embedding(IMAGE.read_bytes()), embedding)

    def test_bytes_of_image_and_model(self):
        data = IMAGE.read_bytes()
        self.assertEqual(self.net.logits(data), self.expected)
        self.assertEqual(self.net.logits(bytearray(data)), self.expected)
        net = squeezenet.Classifier(squeezenet.Model(MODEL.read_bytes()), squeezenet.Context(1))
        self.assertEqual(net.logits(IMAGE), self.expected)

    def test_batch_with_a_broken_image(self):
        good, bad, again = self.net.batch([IMAGE, b"no image", str(IMAGE)], top=1)
        self.assertEqual(good, again)
        self.assertIsInstance(bad, squeezenet.Error)
        self.assertEqual(bad.status_name, "SQZ_E_DATA")
        self.assertEqual(self.net.batch([]), [])

    def test_wrong_arguments(self):
        with self.assertRaises(TypeError):
            self.net.classify(5)
        with self.assertRaises(ValueError):
            self.net.classify(IMAGE, top=0)
        with self.assertRaises(squeezenet.Error):
            self.net.classify(IMAGE, timeout=-1)
        with self.assertRaises(squeezenet.Error):
            self.net.classify(IMAGE, timeout=1e-9)
        with self.assertRaises(ValueError):  # too small: never read past its end
            self.net.classify(squeezenet.Pixels("NV12", 4, 4, [bytes(16), bytes(7)]))
        with self.assertRaises(ValueError):
            self.net.classify(squeezenet.Pixels("I420", 4, 4, [bytes(16), bytes(4)]))

    def test_frames(self):
        gray = squeezenet.Pixels("GRAY", 6, 4, [bytes([126] * 24)])
        nv12 = squeezenet.Pixels("NV12", 6, 4, [bytes([124] * 24), bytearray([128] * 12)])
        wide = squeezenet.Pixels("GRAY", 6, 4, [bytes([126] * 40)], [10])
        self.assertEqual(self.net.logits(gray), self.net.logits(nv12))
        self.assertEqual(self.net.logits(gray), self.net.logits(wide))

    def test_threads_share_a_model(self):
        model, context = squeezenet.Model(MODEL), squeezenet.Context(2)
        wrong = []

        def work():
            net = squeezenet.Classifier(model, context)
            wrong.extend(1 for _ in range(5) if net.logits(IMAGE) != self.expected)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])


@unittest.skipIf(numpy is None or PIL is None, "NOT TESTED: NumPy or Pillow is not installed")
class Arrays(Files):
    def test_arrays_equal_the_file(self):
        image = PIL.Image.open(IMAGE)
        rgb = numpy.asarray(image)
        self.assertEqual(self.net.logits(image), self.expected)
        self.assertEqual(self.net.logits(rgb), self.expected)
        self.assertEqual(self.net.logits(rgb[:, :, ::-1].copy(), order="BGR"), self.expected)
        self.assertEqual(self.net.logits(rgb[:, :, ::-1], order="BGR"), self.expected)  # copied
        upside_down = rgb[::-1].copy()
        self.assertEqual(self.net.logits(upside_down[::-1]), self.expected)  # a negative stride
        padded = numpy.zeros((rgb.shape[0], rgb.shape[1] + 5, 3), numpy.uint8)
        padded[:, 5:] = rgb
        self.assertEqual(self.net.logits(padded[:, 5:]), self.expected)
        alpha = numpy.dstack([rgb, numpy.full(rgb.shape[:2], 7, numpy.uint8)])
        self.assertEqual(self.net.logits(alpha), self.expected)
        self.assertEqual(self.net.logits(image.convert("RGBA")), self.expected)
        gray = image.convert("L")
        self.assertEqual(self.net.logits(gray), self.net.logits(numpy.asarray(gray)))
        self.assertEqual(len(numpy.asarray(self.net.logits(gray))), len(self.expected))
        with self.assertRaises(TypeError):
            self.net.classify(rgb.astype(float))


if __name__ == "__main__":
    unittest.main()

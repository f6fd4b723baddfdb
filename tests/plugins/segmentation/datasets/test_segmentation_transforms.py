import cv2
import numpy as np

from bench_segmentation.datasets.transforms import ColourJitter, RandomBlur, RandomScale, jittered


def pixels(seed=0):
    return np.random.default_rng(seed).integers(60, 190, (8, 10, 3), dtype=np.uint8)


def test_no_change_of_colours_changes_nothing_but_rounding():
    image = pixels()
    assert np.abs(jittered(image, 1.0, 1.0, 1.0, 0.0).astype(int) - image).max() <= 3


def test_each_factor_does_what_it_says():
    grey = np.full((4, 4, 3), 100, dtype=np.uint8)
    assert np.all(jittered(grey, 1.2, 1.0, 1.0, 0.0) == 120)
    two = np.repeat(np.array([[[80] * 3, [120] * 3]], dtype=np.uint8), 2, axis=0)
    assert jittered(two, 1.0, 0.5, 1.0, 0.0)[0, :, 0].tolist() == [90, 110]
    red = np.full((2, 2, 3), (40, 40, 200), dtype=np.uint8)
    pale = jittered(red, 1.0, 1.0, 0.0, 0.0)[0, 0]
    assert pale.max() - pale.min() == 0
    assert pale[0] == round(0.114 * 40 + 0.587 * 40 + 0.299 * 200)
    turned = jittered(red, 1.0, 1.0, 1.0, 1 / 3)[0, 0]
    assert turned.tolist() == [40, 200, 40]


def test_jitter_and_blur_come_as_often_as_asked():
    image = pixels()
    np.random.seed(0)
    for transform in (ColourJitter(0.25), RandomBlur(0.25, 5)):
        changed = sum(not np.array_equal(transform.transform({"img": image})["img"], image) for _ in range(200))
        assert 30 <= changed <= 70
    assert np.array_equal(RandomBlur(0.0, 5).transform({"img": image})["img"], image)


def test_blur_is_a_gaussian_of_the_drawn_sigma():
    image = pixels()
    np.random.seed(3)
    np.random.random()
    sigma = np.random.uniform(0.1, 2.0)
    np.random.seed(3)
    blurred = RandomBlur(1.0, 5).transform({"img": image})["img"]
    assert np.array_equal(blurred, cv2.GaussianBlur(image, (5, 5), sigma))


def test_a_random_scale_is_of_the_given_size_or_of_the_image():
    def shapes(size):
        np.random.seed(1)
        step = RandomScale((0.5, 2.0), size)
        return [
            step.transform({"img": pixels(), "gt_seg_map": np.zeros((8, 10), np.uint8)})["img_shape"] for _ in range(50)
        ]

    own, given = shapes(None), shapes((40, 20))
    assert min(height for height, _ in own) < 5
    assert max(height for height, _ in own) > 14
    assert all(abs(height * 10 / 8 - width) <= 1.5 for height, width in own)
    assert all(20 <= height <= 80 and abs(height - 2 * width) <= 2 for height, width in given)


def test_labels_are_scaled_without_new_values():
    labels = np.zeros((8, 10), np.uint8)
    labels[:, 5:] = 20
    np.random.seed(0)
    result = RandomScale((1.3, 1.9), None).transform({"img": pixels(), "gt_seg_map": labels})
    assert set(np.unique(result["gt_seg_map"])) == {0, 20}
    assert result["gt_seg_map"].shape == result["img"].shape[:2]

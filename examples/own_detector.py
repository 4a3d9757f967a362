# SPDX-License-Identifier: Apache-2.0
"""Your own detector under our language: any object detector of transformers, by its boxes.

python examples/own_detector.py PHOTO "the cup left of the laptop" [FOLDER OR NAME ON THE HUB]
"""

import sys

import numpy as np
from PIL import Image
from transformers import pipeline

from refseg_ros import Proposals, Segmenter

photo, sentence, *model = sys.argv[1:]
image = Image.open(photo).convert("RGB")
detect = pipeline("object-detection", model=model[0] if model else "PekingU/rtdetr_v2_r50vd")
found = detect(image, threshold=0.5)
boxes = [list(item["box"].values()) for item in found]
names, scores = [item["label"] for item in found], [item["score"] for item in found]
proposals = Proposals.from_boxes(boxes, (image.height, image.width), names, scores)
segmenter = Segmenter.from_preset("given")  # no network: the names are all it needs
selection = segmenter.observe(np.array(image), proposals=proposals).select(sentence)
print(f"{selection.status.name}: {selection.reason}, box {selection.box.tolist()}")

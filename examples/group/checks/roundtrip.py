#!/usr/bin/env python3
"""The probe of the pair, after both were activated: what the encoder writes, can the decoder read it?

    roundtrip.py STORE
"""
import json
import os
import sys


def load(model):
    with open(os.path.join(os.path.realpath(os.path.join(sys.argv[1], model)), "model.json")) as file:
        return json.load(file)


encoder, decoder = load("encoder"), load("decoder")
text = "a quick brown fox"
back = "".join(decoder.get(str(encoder[letter]), "?") for letter in text)
print("%r came back as %r" % (text, back))
sys.exit(0 if back == text else 1)

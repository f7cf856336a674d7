"""Runs llama.cpp's own server on one model until standard input closes.

usage: llama_server.py MODEL PORT ALIAS CONTEXT SLOTS
"""

import os
import sys

import xllamacpp

model, port, alias, context, slots = sys.argv[1:6]
params = xllamacpp.CommonParams()
params.model.path = model
params.model_alias = {alias}
params.hostnames = ["127.0.0.1"]
params.port = int(port)
params.n_ctx = int(context) * int(slots)
params.n_parallel = int(slots)
params.cpuparams.n_threads = 2
params.cpuparams_batch.n_threads = 2
params.use_jinja = True
params.fit_params = False
server = xllamacpp.Server(params)
sys.stdin.read()
os._exit(0)

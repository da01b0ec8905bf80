"""The data sets we know, a module a modality; `data/registry.py` puts them into one dict."""

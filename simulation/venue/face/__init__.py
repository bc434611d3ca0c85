"""The venue's HTTP face: Alpaca's paths, fields, codes and limits on one port."""

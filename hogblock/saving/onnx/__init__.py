"""Models as ONNX: a plan's forward operations become nodes, one row of a table each."""

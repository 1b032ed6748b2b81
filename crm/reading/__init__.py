"""Reading an export: files into chunks of text cells, and text cells into typed values."""

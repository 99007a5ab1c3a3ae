"""The network's side: who may speak, and the languages they speak. Only here errors become status codes and frames."""

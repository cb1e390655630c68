"""The officers' side: a tender in a folder, from its draft to the countersigned notice."""

"""Reports: tables over the records of one or many results folders."""

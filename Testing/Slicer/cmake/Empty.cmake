# nothing: what Slicer does here needs Slicer

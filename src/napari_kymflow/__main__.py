"""`python -m napari_kymflow` is the command `napari-kymflow`, also where that is not on the path."""

from napari_kymflow._cli import main

if __name__ == "__main__":
    main()

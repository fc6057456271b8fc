from kymflow_core.cli import app


def main():
    app()

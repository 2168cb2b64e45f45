from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from commands.launch import ENVIRONMENT, ROOT, command, train

from facegeom_lit.synthesis.prior.maker import folder_hash
from facegeom_lit.synthesis.prior.pipeline import FacePrior

TINY = (
    "experiment=prior",
    "logger=csv",
    "export=null",
    "synthesis.coverage.identities=20",
    "synthesis.coverage.images_per_identity=2",
    "synthesis.maker.processes=1",
    "prior.autoencoder.network.encoder_block_out_channels=[8,16,16,32]",
    "prior.autoencoder.network.decoder_block_out_channels=[8,16,16,32]",
    "prior.network.block_out_channels=[16,16]",
    "prior.network.layers_per_block=1",
    "prior.network.attention_head_dim=16",
    "prior.flow.batch_size=8",
    "trainer.log_every_n_steps=1",
)
LONG = (*TINY, "prior.autoencoder.epochs=2", "prior.flow.epochs=20")


def trained(finished: subprocess.CompletedProcess[str]) -> Path:
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-3000:]
    lines = dict(line.split(": ", 1) for line in finished.stdout.splitlines() if ": " in line)
    return Path(lines["prior"])


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prior")


@pytest.fixture(scope="module")
def whole(output: Path) -> Path:
    return trained(train(*LONG, output=output))


@pytest.mark.slow
def test_a_prior_is_trained_packaged_and_opened(whole: Path) -> None:
    prior = FacePrior.open(whole)
    assert list(prior.scale.ranges)[:2] == ["age", "beard"]
    drawn = prior(None, None, prior.noise([1]), steps=2)
    assert drawn.shape == (1, 3, 112, 112)
    recipe = json.loads((whole / "recipe.json").read_text())
    assert recipe["command"].startswith("python train.py experiment=prior")
    assert recipe["faces"]["people"] == 20
    losses = (whole / "training_log.csv").read_text().splitlines()
    assert len(losses) >= 30
    assert "train/loss" in losses[0]


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_weights(whole: Path, output: Path) -> None:
    """Killed in the autoencoder, killed in the flow, then to the end."""
    elsewhere = output / "killed"
    (elsewhere / "cache").mkdir(parents=True)
    (elsewhere / "cache" / "facesets").symlink_to(output / "cache" / "facesets")
    for stage in ("autoencoder", "flow"):
        pattern = f"prior/*/checkpoints/{stage}-*/last.ckpt"
        process = subprocess.Popen(
            command(*LONG, f"paths.output={elsewhere}"),
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not list(elsewhere.glob(pattern)):
            assert process.poll() is None, "nothing left to kill"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    again = trained(train(*LONG, output=elsewhere))
    for part in ("autoencoder", "unet", "identity_space"):
        assert folder_hash(again / part) == folder_hash(whole / part), part


@pytest.mark.slow
def test_identity_from_embeddings(output: Path) -> None:
    few = (*TINY, "prior.flow.epochs=1", "prior.identity=embeddings", "prior.code_dim=6")
    prior = FacePrior.open(trained(train(*few, output=output)))
    assert prior.identity_space.config.kind == "embeddings"
    assert prior.identity_space.draw([3]).shape == (1, 6)


def test_bad_input(output: Path, tmp_path: Path) -> None:
    for override, message in (
        ("job=prio", "job must be one of fine_tune, prior, regressor"),
        ("prior.identity=somebody", "prior.identity must be one of rendered, embeddings"),
        (f"prior.faces={tmp_path}", "is not a face set"),
        ("prior.flow.epochs=0", "prior.flow.epochs must be a whole number at least 1"),
    ):
        refused = train(*TINY, override, output=output)
        assert refused.returncode == 1, refused.stderr[-2000:]
        assert message in refused.stderr
    assert not list(tmp_path.iterdir())

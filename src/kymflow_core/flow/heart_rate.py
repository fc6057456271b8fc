"""The heart rate in a velocity trace, where there is one."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len, rfft

from kymflow_core.flow.events import running_median
from kymflow_core.flow.trace import VelocityTrace

Doubles = NDArray[np.float64]

LOWEST_HZ = 3.0
HIGHEST_HZ = 15.0
LEAST_RATIO = 50.0
TREND_S = 0.6
SLOW_TREND_S = 3.0
SEGMENT_S = 40.0
"""Longer traces are cut, and the power of the parts is averaged: a heart does not keep its rate for minutes."""
STEP_HZ = 0.02
PEAK_HZ = 1.0
"""How far from the peak the background begins."""
FEWEST_WINDOWS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartRate:
    """A heart rate.

    Parameters
    ----------
    hz
        NaN where there is none.
    power_ratio
        The power of the highest peak from 3 to 15 Hz over the median of the others.
    amplitude_mm_s
        Of the sine at the peak; NaN where there is no rate.
    """

    hz: float
    power_ratio: float
    amplitude_mm_s: float


NONE = HeartRate(hz=math.nan, power_ratio=math.nan, amplitude_mm_s=math.nan)


def heart_rate(trace: VelocityTrace) -> HeartRate:
    """Return the heart rate of an animal from 3 to 15 Hz (180 to 900 beats a minute).

    The periodogram of the velocities that are certain, less their median over 0.6 s. Windows without a velocity are left
    out of its sums, which on evenly spaced windows are one Fourier transform; for the few gaps of a trace this is the
    periodogram of Lomb (1976, doi 10.1007/BF00648343). There is a rate where the highest peak has `LEAST_RATIO` times the
    median power.
    """
    velocity = trace.frame["velocity_mm_s"].to_numpy()
    if trace.seconds_per_line is None or np.isfinite(velocity).sum() < FEWEST_WINDOWS:
        return NONE
    step_s = trace.step * trace.seconds_per_line
    if 2 * (HIGHEST_HZ + PEAK_HZ) * step_s > 1:
        return NONE
    frequencies, power = _mean_power(velocity - running_median(velocity, int(TREND_S / step_s)), step_s)
    # That median follows slow hearts a little, so the amplitude is taken against a slower one.
    _, slower = _mean_power(velocity - running_median(velocity, int(SLOW_TREND_S / step_s)), step_s)
    inside = (frequencies >= LOWEST_HZ) & (frequencies <= HIGHEST_HZ)
    top = int(np.argmax(np.where(inside, power, -np.inf)))
    background = float(np.median(power[inside & (np.abs(frequencies - frequencies[top]) > PEAK_HZ)]))
    ratio = float(power[top]) / background if background > 0 else 0.0
    if ratio < LEAST_RATIO:
        return HeartRate(hz=math.nan, power_ratio=ratio, amplitude_mm_s=math.nan)
    left, middle, right = power[top - 1 : top + 2]
    offset = 0.5 * (left - right) / (left - 2 * middle + right)
    return HeartRate(
        hz=float(frequencies[top] + offset * (frequencies[1] - frequencies[0])),
        power_ratio=ratio,
        amplitude_mm_s=float(np.sqrt(2 * slower[top])),
    )


def _mean_power(values: Doubles, step_s: float) -> tuple[Doubles, Doubles]:
    """Return frequencies around those of hearts, and the variance of the sine at each, averaged over parts of the trace."""
    size = next_fast_len(max(int(1 / (STEP_HZ * step_s)), 2 * int(SEGMENT_S / step_s)), real=True)
    every = np.arange(size // 2 + 1) / (size * step_s)
    near = (every > LOWEST_HZ - PEAK_HZ) & (every < HIGHEST_HZ + PEAK_HZ)
    total, weight = np.zeros(int(near.sum())), 0
    part = int(SEGMENT_S / step_s)
    for segment in (values[first : first + part] for first in range(0, len(values), part)):
        there = np.isfinite(segment)
        count = int(there.sum())
        if count >= FEWEST_WINDOWS:
            centred = np.where(there, segment - segment[there].mean(), 0.0)
            total += count * 2 * np.abs(rfft(centred, size)[near] / count) ** 2
            weight += count
    return every[near], total / max(weight, 1)

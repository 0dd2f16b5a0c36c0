package org.repbnn;

import java.util.Arrays;

/** Collects the times of a measurement as native code hands them over. */
final class RunLog implements NativeLibrary.RunListener {
    private static final double NANOSECONDS = 1e6;

    private final Measurement.Progress progress;
    private double[] values = new double[1024];
    private int count;
    private double seconds;

    RunLog(Measurement.Progress progress) {
        this.progress = progress;
    }

    @Override
    public boolean onRuns(long[] nanoseconds) {
        if (count + nanoseconds.length > values.length) {
            values = Arrays.copyOf(values, Math.max(2 * values.length, count + nanoseconds.length));
        }
        for (long value : nanoseconds) {
            values[count++] = value / NANOSECONDS;
            seconds += value / (1000 * NANOSECONDS);
        }
        return progress == null || progress.onProgress(count, seconds);
    }

    double[] milliseconds() {
        return Arrays.copyOf(values, count);
    }
}

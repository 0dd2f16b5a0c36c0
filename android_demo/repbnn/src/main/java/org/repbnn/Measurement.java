package org.repbnn;

/** What {@link RepBnnInterpreter#measure} found. Immutable. */
public final class Measurement {
    /** Told between runs, about five times a second. */
    public interface Progress {
        /**
         * @param runs counted so far.
         * @param seconds measured so far.
         * @return false to end the measurement here.
         */
        boolean onProgress(int runs, double seconds);
    }

    private final double firstMilliseconds;
    private final boolean repeatable;
    private final int warmupRuns;
    private final boolean steady;
    private final double[] milliseconds;

    Measurement(double firstMilliseconds, boolean repeatable, int[] warmup, double[] milliseconds) {
        this.firstMilliseconds = firstMilliseconds;
        this.repeatable = repeatable;
        this.warmupRuns = warmup[0];
        this.steady = warmup[1] != 0;
        this.milliseconds = milliseconds;
    }

    /** The first run on the noise that is measured with. */
    public double getFirstMilliseconds() {
        return firstMilliseconds;
    }

    /** Whether two runs on the same input gave the same finite numbers: if not, the times mean nothing. */
    public boolean isRepeatable() {
        return repeatable;
    }

    /** Runs before the first counted one. */
    public int getWarmupRuns() {
        return warmupRuns;
    }

    /** Whether two windows of the warm-up agreed within 2%, rather than its ten seconds ending it. */
    public boolean isSteady() {
        return steady;
    }

    /** Every counted run, in order. */
    public double[] getMilliseconds() {
        return milliseconds.clone();
    }
}

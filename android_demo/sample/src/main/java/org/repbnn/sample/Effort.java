package org.repbnn.sample;

/** How long each repeat measures: until both runs and seconds are met, or the limit; the presets of repbnn-edge bench. */
final class Effort {
    static final Effort QUICK = new Effort(128, 10, 60, 1);

    final int runs;
    final double leastSeconds;
    final double mostSeconds;
    final int warmupRuns;

    Effort(int runs, double leastSeconds, double mostSeconds, int warmupRuns) {
        this.runs = runs;
        this.leastSeconds = leastSeconds;
        this.mostSeconds = mostSeconds;
        this.warmupRuns = warmupRuns;
    }
}

package org.repbnn.sample;

import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Numbers out of samples, as repbnn_edge/benching/statistics.py makes them: the median of the repeats' medians, and its
 * interval by drawing repeats, then blocks of neighbouring runs inside them.
 */
final class Statistics {
    private static final int RESAMPLES = 400;
    private static final long SEED = 20220718;
    /** Of a longer repeat every k-th run is drawn from: a phone makes a hundred thousand runs of a small network. */
    private static final int MOST_RUNS = 4096;

    final double min;
    final double median;
    final double mean;
    final double p90;
    final double p95;
    final double p99;
    final double max;
    final double std;
    final double low;
    final double high;
    final int runs;

    Statistics(List<double[]> repeats) {
        double[] all = joined(repeats);
        Arrays.sort(all);
        runs = all.length;
        min = all[0];
        max = all[runs - 1];
        p90 = percentile(all, 90);
        p95 = percentile(all, 95);
        p99 = percentile(all, 99);
        double sum = 0;
        for (double value : all) sum += value;
        mean = sum / runs;
        double squares = 0;
        for (double value : all) squares += (value - mean) * (value - mean);
        std = runs > 1 ? Math.sqrt(squares / (runs - 1)) : 0;
        median = centre(repeats);
        double[] drawn = resampled(repeats);
        Arrays.sort(drawn);
        low = percentile(drawn, 2.5);
        high = percentile(drawn, 97.5);
    }

    /** The median of the repeats' medians, which one slow repeat cannot pull. */
    static double centre(List<double[]> repeats) {
        double[] medians = new double[repeats.size()];
        for (int i = 0; i < medians.length; i++) medians[i] = median(repeats.get(i));
        return median(medians);
    }

    static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return percentile(sorted, 50);
    }

    /** Between neighbours linearly. */
    static double percentile(double[] sorted, double percent) {
        double at = (sorted.length - 1) * percent / 100;
        int below = (int) at;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
    }

    private static double[] resampled(List<double[]> repeats) {
        Random random = new Random(SEED);
        double[][] medians = new double[repeats.size()][RESAMPLES];
        for (int i = 0; i < medians.length; i++) {
            double[] runs = thinned(repeats.get(i));
            for (int k = 0; k < RESAMPLES; k++) medians[i][k] = median(blocks(runs, random));
        }
        double[] centres = new double[RESAMPLES];
        double[] drawn = new double[medians.length];
        for (int k = 0; k < RESAMPLES; k++) {
            for (int i = 0; i < drawn.length; i++) drawn[i] = medians[random.nextInt(drawn.length)][k];
            centres[k] = median(drawn);
        }
        return centres;
    }

    private static double[] thinned(double[] runs) {
        int step = (runs.length + MOST_RUNS - 1) / MOST_RUNS;
        if (step <= 1) return runs;
        double[] kept = new double[(runs.length + step - 1) / step];
        for (int i = 0; i < kept.length; i++) kept[i] = runs[i * step];
        return kept;
    }

    /** As many runs again, in blocks about the square root of their number long. */
    private static double[] blocks(double[] runs, Random random) {
        int length = Math.max(1, (int) Math.round(Math.sqrt(runs.length)));
        double[] drawn = new double[runs.length];
        int start = 0;
        for (int i = 0; i < drawn.length; i++) {
            if (i % length == 0) start = random.nextInt(runs.length);
            drawn[i] = runs[(start + i % length) % runs.length];
        }
        return drawn;
    }

    private static double[] joined(List<double[]> repeats) {
        int count = 0;
        for (double[] runs : repeats) count += runs.length;
        double[] all = new double[count];
        int at = 0;
        for (double[] runs : repeats) {
            System.arraycopy(runs, 0, all, at, runs.length);
            at += runs.length;
        }
        return all;
    }
}

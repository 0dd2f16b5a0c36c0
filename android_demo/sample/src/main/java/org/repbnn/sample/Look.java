package org.repbnn.sample;

import android.graphics.Bitmap;
import java.util.Arrays;
import java.util.List;
import org.repbnn.Classification;
import org.repbnn.ImageClassifier;

/** What a network sees in a picture, and how long it takes: the median of a few runs, since any may be disturbed. */
final class Look {
    static final int MOST_RUNS = 5;
    /** A slow network is run once or twice: nobody waits for a comparison. */
    private static final double LONG_MILLISECONDS = 100;

    final List<Classification> classifications;
    final double milliseconds;
    final int runs;

    private Look(List<Classification> classifications, double[] times) {
        this.classifications = classifications;
        milliseconds = Statistics.median(times);
        runs = times.length;
    }

    static Look at(Bitmap picture, Network network) {
        double[] times = new double[MOST_RUNS];
        double sum = 0;
        int count = 0;
        ImageClassifier.Result last = null;
        while (count < MOST_RUNS && sum < LONG_MILLISECONDS) {
            last = network.classify(picture);
            times[count++] = last.getMilliseconds();
            sum += last.getMilliseconds();
        }
        return new Look(last.getClassifications(), Arrays.copyOf(times, count));
    }
}

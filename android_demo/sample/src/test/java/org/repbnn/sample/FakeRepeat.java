package org.repbnn.sample;

import android.content.Context;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** A measurement without a clock. */
final class FakeRepeat implements Repeat {
    private static int seed;
    private final double drift;

    FakeRepeat(double drift) {
        this.drift = drift;
    }

    static Source source(final double drift) {
        return new Source() {
            @Override
            public Repeat open(Context context) {
                return new FakeRepeat(drift);
            }
        };
    }

    @Override
    public Outcome measure(Effort effort, Progress progress) {
        Outcome outcome = new Outcome();
        outcome.runtimeVersion = "2.16.1";
        try {
            outcome.delegate = new JSONObject()
                    .put("version", "0.1.0")
                    .put("implementation", "neon")
                    .put("nodes_total", 90)
                    .put("nodes_delegated", 86)
                    .put("partitions", 1)
                    .put("refused", new JSONArray());
        } catch (JSONException impossible) {
            throw new AssertionError(impossible);
        }
        outcome.initMilliseconds = 4;
        outcome.firstMilliseconds = 1;
        outcome.repeatable = true;
        outcome.milliseconds = Fixtures.runs(0.412, drift, 512, seed++);
        progress.goOn(1);
        return outcome;
    }

    @Override
    public void close() {}
}

package org.repbnn.sample;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** May a number be quoted? The reasons against it, with the codes and thresholds of repbnn_edge/benching/verdicts.py. */
final class Verdict {
    private static final double FEW_PERCENT = 0.05;
    private static final double TAIL = 2;
    private static final int FEWEST_RUNS = 20;
    private static final int FEWEST_IN_QUARTER = 5;

    /** One reason: its code of the closed list, and what was seen. */
    static final class Reason {
        final String code;
        final String detail;

        Reason(String code, String detail) {
            this.code = code;
            this.detail = detail;
        }
    }

    final List<Reason> reasons = new ArrayList<>();
    private boolean failed;

    Verdict(List<double[]> repeats, Statistics summary, Effort effort) {
        if (summary.runs < FEWEST_RUNS) add("too_few_runs", "%d runs in all", summary.runs);
        int fewest = Integer.MAX_VALUE;
        for (double[] runs : repeats) fewest = Math.min(fewest, runs.length);
        if (fewest < effort.runs) {
            add("time_limit", "%d of %d runs in %.0f s", fewest, effort.runs, effort.mostSeconds);
        }
        if (summary.high - summary.low > FEW_PERCENT * summary.median) {
            add("wide_interval", "the median lies between %.4g and %.4g ms", summary.low, summary.high);
        }
        if (summary.p95 > TAIL * summary.median) {
            add("heavy_tail", "p95 is %.2f times the median", summary.p95 / summary.median);
        }
        checkRepeats(repeats);
        checkTrend(repeats);
    }

    private void checkRepeats(List<double[]> repeats) {
        double low = Double.POSITIVE_INFINITY;
        double high = 0;
        for (double[] runs : repeats) {
            double median = Statistics.median(runs);
            low = Math.min(low, median);
            high = Math.max(high, median);
        }
        if (high > (1 + FEW_PERCENT) * low) {
            add("repeats_disagree", "repeats' medians from %.4g to %.4g ms", low, high);
        }
    }

    private void checkTrend(List<double[]> repeats) {
        List<Double> changes = new ArrayList<>();
        for (double[] runs : repeats) {
            int quarter = runs.length / 4;
            if (quarter < FEWEST_IN_QUARTER) continue;
            double first = Statistics.median(Arrays.copyOfRange(runs, 0, quarter));
            double last = Statistics.median(Arrays.copyOfRange(runs, runs.length - quarter, runs.length));
            changes.add(last / first - 1);
        }
        if (changes.isEmpty()) return;
        double[] values = new double[changes.size()];
        for (int i = 0; i < values.length; i++) values[i] = changes.get(i);
        double typical = Statistics.median(values);
        if (Math.abs(typical) > FEW_PERCENT) {
            add("trend", "the last quarter is %+.1f%% against the first", 100 * typical);
        }
    }

    /** What the phone's state says, in the fields of {@link PhoneFacts#state}. */
    void checkPhone(JSONObject before, JSONObject after, boolean emulated) {
        int thermal = Math.max(before.optInt("thermal_status"), after.optInt("thermal_status"));
        if (thermal > 0) add("throttled", "thermal status %d", thermal);
        if (before.optBoolean("low_power_mode") || after.optBoolean("low_power_mode")) {
            add("power_save", "low power mode is on");
        }
        if (emulated) add("emulated", "this is no real phone");
    }

    void checkOutputs(boolean repeatable) {
        if (repeatable) return;
        failed = true;
        add("wrong_output", "two runs on the same input differ, or are not finite");
    }

    private void add(String code, String detail, Object... values) {
        reasons.add(new Reason(code, String.format(Locale.ROOT, detail, values)));
    }

    String status() {
        if (failed) return "failed";
        return reasons.isEmpty() ? "conclusive" : "inconclusive";
    }

    JSONObject toJson() throws JSONException {
        JSONArray list = new JSONArray();
        for (Reason reason : reasons) {
            list.put(new JSONObject().put("code", reason.code).put("detail", reason.detail));
        }
        return new JSONObject().put("status", status()).put("reasons", list);
    }
}

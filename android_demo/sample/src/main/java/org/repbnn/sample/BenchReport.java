package org.repbnn.sample;

import android.content.Context;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.repbnn.ModelMetadata;

/** A measurement as {@code repbnn-edge bench --import} opens it: schema repbnn.bench/1, one result. */
final class BenchReport {
    static final String VERSION = "0.1.0";
    private static final double SHOWN_DIGITS = 1e6;
    private static final String[] LATENCY = {"min", "median", "mean", "p90", "p95", "p99", "max", "std"};

    final Statistics latency;
    final Verdict verdict;
    final JSONObject json;

    private BenchReport(Statistics latency, Verdict verdict, JSONObject json) {
        this.latency = latency;
        this.verdict = verdict;
        this.json = json;
    }

    static BenchReport of(
            Context context, List<Repeat.Outcome> outcomes, Effort effort, JSONObject before, JSONObject after)
            throws IOException, JSONException {
        List<double[]> samples = new ArrayList<>();
        boolean repeatable = true;
        for (Repeat.Outcome outcome : outcomes) {
            samples.add(outcome.milliseconds);
            repeatable = repeatable && outcome.repeatable;
        }
        Statistics latency = new Statistics(samples);
        Verdict verdict = new Verdict(samples, latency, effort);
        boolean emulated = PhoneFacts.isEmulated();
        verdict.checkPhone(before, after, emulated);
        verdict.checkOutputs(repeatable);
        Repeat.Outcome last = outcomes.get(outcomes.size() - 1);
        JSONObject result = new JSONObject()
                .put("model", model(context))
                .put("runtime", new JSONObject().put("name", "tflite").put("version", last.runtimeVersion))
                .put("delegate", last.delegate == null ? JSONObject.NULL : last.delegate)
                .put("device", PhoneFacts.device(context))
                .put("config", config(effort, outcomes.size()))
                // An emulator's times say nothing of a phone's.
                .put("latency_ms", emulated ? JSONObject.NULL : latency(latency))
                .put("samples_ms", samples(samples))
                .put("runs", latency.runs)
                .put("init_ms", middle(outcomes, true))
                .put("first_ms", middle(outcomes, false))
                .put("peak_memory_bytes", JSONObject.NULL)
                .put("instructions", JSONObject.NULL)
                .put("ops", JSONObject.NULL)
                .put("environment", new JSONObject().put("before", before).put("after", after))
                .put("references", new JSONArray())
                .put("verdict", verdict.toJson());
        JSONObject json = new JSONObject()
                .put("schema", "repbnn.bench/1")
                .put("repbnn_edge", VERSION)
                .put("results", new JSONArray().put(result))
                .put("interrupted", false);
        return new BenchReport(latency, verdict, json);
    }

    private static JSONObject model(Context context) throws IOException, JSONException {
        byte[] bytes = read(context, Session.MODEL);
        ModelMetadata metadata = ModelMetadata.read(ByteBuffer.wrap(bytes));
        String path = metadata.getName().isEmpty() ? Session.MODEL : metadata.getName() + ".tflite";
        return new JSONObject()
                .put("path", path)
                .put("sha256", sha256(bytes))
                .put("bytes", bytes.length)
                .put("macs", new JSONObject()
                        .put("binary", metadata.getBinaryMacs())
                        .put("float", metadata.getFloatMacs()));
    }

    private static JSONObject config(Effort effort, int repeats) throws JSONException {
        return new JSONObject()
                .put("num_threads", InterpreterRepeat.THREADS)
                .put("cpu_mask", JSONObject.NULL)
                .put("num_runs", effort.runs)
                .put("min_secs", effort.leastSeconds)
                .put("max_secs", effort.mostSeconds)
                .put("warmup_runs", effort.warmupRuns)
                .put("repeats", repeats);
    }

    private static JSONObject latency(Statistics found) throws JSONException {
        double[] values = {
            found.min, found.median, found.mean, found.p90, found.p95, found.p99, found.max, found.std
        };
        JSONObject json = new JSONObject();
        for (int i = 0; i < values.length; i++) json.put(LATENCY[i], values[i]);
        return json.put("ci95_median", new JSONArray().put(found.low).put(found.high));
    }

    private static JSONArray samples(List<double[]> repeats) throws JSONException {
        JSONArray all = new JSONArray();
        for (double[] runs : repeats) {
            JSONArray one = new JSONArray();
            for (double run : runs) one.put(Math.rint(run * SHOWN_DIGITS) / SHOWN_DIGITS);
            all.put(one);
        }
        return all;
    }

    private static double middle(List<Repeat.Outcome> outcomes, boolean init) {
        double[] values = new double[outcomes.size()];
        for (int i = 0; i < values.length; i++) {
            values[i] = init ? outcomes.get(i).initMilliseconds : outcomes.get(i).firstMilliseconds;
        }
        return Statistics.median(values);
    }

    private static byte[] read(Context context, String asset) throws IOException {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        byte[] chunk = new byte[1 << 16];
        try (InputStream stream = context.getAssets().open(asset)) {
            for (int got = stream.read(chunk); got >= 0; got = stream.read(chunk)) whole.write(chunk, 0, got);
        }
        return whole.toByteArray();
    }

    private static String sha256(byte[] bytes) {
        try {
            StringBuilder text = new StringBuilder();
            for (byte one : MessageDigest.getInstance("SHA-256").digest(bytes)) {
                text.append(Character.forDigit((one >> 4) & 0xf, 16)).append(Character.forDigit(one & 0xf, 16));
            }
            return text.toString();
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException("every Android has SHA-256", impossible);
        }
    }
}

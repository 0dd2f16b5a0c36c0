package org.repbnn.sample;

import android.content.Context;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.repbnn.Measurement;
import org.repbnn.RepBnnDelegate;
import org.repbnn.RepBnnInterpreter;

/** The real thing: the library's interpreter, one thread, with what the delegate says of each node. */
final class InterpreterRepeat implements Repeat {
    static final int THREADS = 1;

    private final RepBnnInterpreter interpreter;
    private final File explained;
    private final double initMilliseconds;

    private InterpreterRepeat(RepBnnInterpreter interpreter, File explained, double initMilliseconds) {
        this.interpreter = interpreter;
        this.explained = explained;
        this.initMilliseconds = initMilliseconds;
    }

    static final Source SOURCE = new Source() {
        @Override
        public Repeat open(Context context) throws IOException {
            File explained = File.createTempFile("explain", ".json", context.getCacheDir());
            RepBnnDelegate.Options delegate = new RepBnnDelegate.Options().setExplain(explained);
            RepBnnInterpreter.Options options =
                    new RepBnnInterpreter.Options().setNumThreads(THREADS).setDelegateOptions(delegate);
            long began = System.nanoTime();
            RepBnnInterpreter interpreter = RepBnnInterpreter.create(context, Session.MODEL, options);
            return new InterpreterRepeat(interpreter, explained, (System.nanoTime() - began) / 1e6);
        }
    };

    @Override
    public Outcome measure(final Effort effort, final Progress progress) throws IOException {
        Measurement measured = interpreter.measure(effort.warmupRuns, effort.runs, effort.leastSeconds,
                effort.mostSeconds, new Measurement.Progress() {
                    @Override
                    public boolean onProgress(int runs, double seconds) {
                        double share = Math.min((double) runs / effort.runs, seconds / effort.leastSeconds);
                        return progress.goOn(Math.min(share, 1));
                    }
                });
        Outcome outcome = new Outcome();
        outcome.runtimeVersion = interpreter.getRuntimeVersion();
        outcome.delegate = delegateFacts();
        outcome.initMilliseconds = initMilliseconds;
        outcome.firstMilliseconds = measured.getFirstMilliseconds();
        outcome.repeatable = measured.isRepeatable();
        outcome.milliseconds = measured.getMilliseconds();
        return outcome;
    }

    /** The explain file, counted as the reports of repbnn-edge bench have it. */
    private JSONObject delegateFacts() throws IOException {
        try {
            JSONObject explain = new JSONObject(text(explained));
            JSONArray nodes = explain.getJSONArray("nodes");
            JSONArray refused = new JSONArray();
            for (int i = 0; i < nodes.length(); i++) {
                JSONObject node = nodes.getJSONObject(i);
                if (node.getBoolean("claimed")) continue;
                refused.put(new JSONObject()
                        .put("node", node.getInt("node"))
                        .put("op", node.getString("op"))
                        .put("reason", node.getString("reason")));
            }
            return new JSONObject()
                    .put("version", explain.getString("version"))
                    .put("implementation", explain.getString("implementation"))
                    .put("nodes_total", nodes.length())
                    .put("nodes_delegated", nodes.length() - refused.length())
                    .put("partitions", explain.getInt("partitions"))
                    .put("refused", refused);
        } catch (JSONException broken) {
            throw new IOException("the delegate's explanation cannot be read", broken);
        }
    }

    private static String text(File file) throws IOException {
        byte[] bytes = new byte[(int) file.length()];
        try (InputStream stream = new FileInputStream(file)) {
            int done = 0;
            while (done < bytes.length) {
                int got = stream.read(bytes, done, bytes.length - done);
                if (got < 0) break;
                done += got;
            }
        }
        return new String(bytes, "UTF-8");
    }

    @Override
    public void close() {
        interpreter.close();
        if (!explained.delete()) explained.deleteOnExit();
    }
}

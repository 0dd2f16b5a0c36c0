package org.repbnn.sample;

import android.content.Context;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.json.JSONException;
import org.json.JSONObject;

/** One measurement, from the button to the report; its state belongs to the main thread. */
final class Measuring {
    static final int REPEATS = 3;

    /** Replaced by tests. */
    static Repeat.Source source = InterpreterRepeat.SOURCE;
    static Effort effort = Effort.QUICK;

    boolean running;
    int repeat;
    float share;
    BenchReport report;
    String problem;
    boolean stopped;

    private final Context context;
    private final Session session;
    /** Which measurement is wanted; another number than its own tells a running one to stop. */
    private final AtomicInteger wanted = new AtomicInteger();

    Measuring(Context context, Session session) {
        this.context = context;
        this.session = session;
    }

    void start() {
        final int number = wanted.incrementAndGet();
        running = true;
        stopped = false;
        problem = null;
        report = null;
        progress(number, 1, 0);
        session.submit(new Runnable() {
            @Override
            public void run() {
                try {
                    finished(number, measure(number), null);
                } catch (IOException | JSONException | RuntimeException | OutOfMemoryError failure) {
                    finished(number, null, String.valueOf(failure.getMessage()));
                }
            }
        });
        session.changed();
    }

    /** Ends the measurement; nothing of it is kept. */
    void stop() {
        if (!running) return;
        wanted.incrementAndGet();
        running = false;
        stopped = true;
        session.changed();
    }

    private BenchReport measure(int number) throws IOException, JSONException {
        JSONObject before = PhoneFacts.state(context);
        List<Repeat.Outcome> outcomes = new ArrayList<>();
        for (int i = 1; i <= REPEATS && wanted.get() == number; i++) {
            // Opened afresh each time: another place in memory is another measurement.
            try (Repeat opened = source.open(context)) {
                outcomes.add(opened.measure(effort, progressOf(number, i)));
            }
        }
        if (wanted.get() != number) return null;
        return BenchReport.of(context, outcomes, effort, before, PhoneFacts.state(context));
    }

    private Repeat.Progress progressOf(final int number, final int repeatNow) {
        return new Repeat.Progress() {
            @Override
            public boolean goOn(double part) {
                progress(number, repeatNow, (float) part);
                return wanted.get() == number;
            }
        };
    }

    private void progress(final int number, final int repeatNow, final float part) {
        session.post(new Runnable() {
            @Override
            public void run() {
                if (wanted.get() != number) return;
                repeat = repeatNow;
                share = (repeatNow - 1 + part) / REPEATS;
                session.changed();
            }
        });
    }

    private void finished(final int number, final BenchReport made, final String failure) {
        session.post(new Runnable() {
            @Override
            public void run() {
                if (wanted.get() != number) return;
                running = false;
                report = made;
                problem = failure;
                session.changed();
            }
        });
    }
}

package org.repbnn.sample;

import android.content.Context;
import java.io.IOException;
import org.json.JSONObject;

/** The network, opened once more to be measured: what the bench needs of it, and what a test puts in its place. */
interface Repeat extends AutoCloseable {
    /** Told now and then; may end the measurement. */
    interface Progress {
        /** {@code part} of this repeat is done, 0 to 1; false ends it. */
        boolean goOn(double part);
    }

    /** Opens the network. */
    interface Source {
        /** With the time that it took. */
        Repeat open(Context context) throws IOException;
    }

    /** What one repeat came to. */
    final class Outcome {
        String runtimeVersion;
        /** As docs/json.md has it; null where nothing was delegated. */
        JSONObject delegate;
        double initMilliseconds;
        double firstMilliseconds;
        /** Whether two runs on the same input gave the same finite numbers. */
        boolean repeatable;
        double[] milliseconds;
    }

    Outcome measure(Effort effort, Progress progress) throws IOException;

    @Override
    void close();
}

package org.repbnn.sample;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import android.widget.TextView;
import java.io.IOException;
import org.json.JSONException;
import org.json.JSONObject;
import org.junit.After;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;

/** The whole app on the real library, runtime and network: out of its assets, onto its screen, into its report. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
public final class RealNetworkTest {
    @After
    public void putBack() {
        Measuring.effort = Effort.QUICK;
    }

    @Test
    public void looksAndMeasures() throws IOException, JSONException {
        Measuring.effort = new Effort(20, 0.2, 5, 1);
        try (ActivityController<MainActivity> controller = Robolectric.buildActivity(MainActivity.class)) {
            final Session session = controller.setup().get().session();
            Fixtures.await(new Fixtures.Condition() {
                @Override
                public boolean holds() {
                    return session.result != null || session.error != null;
                }
            });
            assertNull(session.error, session.error);
            Look result = session.result;
            assertEquals(10, result.classifications.size());
            float sum = 0;
            for (int i = 0; i < 10; i++) sum += result.classifications.get(i).getScore();
            assertEquals(1, sum, 1e-4);
            assertEquals(Fixtures.top1("0-airplane.png"), result.classifications.get(0).getIndex());
            assertFalse(((TextView) controller.get().findViewById(R.id.latency)).getText().toString().isEmpty());
            TextView twin = controller.get().findViewById(R.id.twin_caption);
            assertTrue(twin.isShown());
            assertTrue(twin.getText().toString().startsWith("ResNet-20 in float32: "));
            controller.get().findViewById(R.id.measure).performClick();
            Fixtures.await(new Fixtures.Condition() {
                @Override
                public boolean holds() {
                    return !session.measuring.running;
                }
            });
            assertNull(session.measuring.problem, session.measuring.problem);
            JSONObject row = session.measuring.report.json.getJSONArray("results").getJSONObject(0);
            JSONObject delegate = row.getJSONObject("delegate");
            assertTrue(delegate.getInt("nodes_delegated") > 100);
            assertEquals(1, delegate.getInt("partitions"));
            assertEquals(3, row.getJSONArray("samples_ms").length());
            assertEquals(64, row.getJSONObject("model").getString("sha256").length());
        }
    }

    @Test
    public void stoppingKeepsNothing() {
        Measuring.effort = new Effort(1_000_000, 60, 60, 1);
        try (ActivityController<MainActivity> controller = Robolectric.buildActivity(MainActivity.class)) {
            final Session session = controller.setup().get().session();
            Fixtures.await(new Fixtures.Condition() {
                @Override
                public boolean holds() {
                    return session.result != null || session.error != null;
                }
            });
            controller.get().findViewById(R.id.measure).performClick();
            assertTrue(session.measuring.running);
            controller.get().findViewById(R.id.measure).performClick();
            assertFalse(session.measuring.running);
            // The worker is free again: another picture is looked at.
            final Look before = session.result;
            session.lookAtExample("pictures/0-cat.jpg");
            Fixtures.await(new Fixtures.Condition() {
                @Override
                public boolean holds() {
                    return session.result != null && session.result != before;
                }
            });
            assertNull(session.measuring.report);
        }
    }
}

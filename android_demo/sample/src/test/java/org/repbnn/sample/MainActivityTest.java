package org.repbnn.sample;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertTrue;

import android.app.Activity;
import android.content.Context;
import android.content.Intent;
import android.content.res.Configuration;
import android.graphics.Bitmap;
import android.net.Uri;
import android.os.Looper;
import android.text.Layout;
import android.view.View;
import android.view.ViewGroup;
import android.widget.Button;
import android.widget.ImageView;
import android.widget.TextView;
import java.io.ByteArrayInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import org.json.JSONException;
import org.json.JSONObject;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.Shadows;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;

/** The screen with a network that says what it is told to say. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
public final class MainActivityTest {
    private FakeNetwork network;
    private ActivityController<MainActivity> controller;

    @Before
    public void begin() throws IOException {
        network = new FakeNetwork(0.412);
        Session.source = FakeNetwork.source(network, null);
        Measuring.source = FakeRepeat.source(0);
    }

    @After
    public void putBack() {
        Session.source = ClassifierNetwork.SOURCE;
        Measuring.source = InterpreterRepeat.SOURCE;
        if (controller != null) controller.close();
    }

    private Session start() {
        controller = Robolectric.buildActivity(MainActivity.class);
        return controller.setup().get().session();
    }

    private static void settled(final Session session) {
        Fixtures.await(new Fixtures.Condition() {
            @Override
            public boolean holds() {
                return session.error != null || (session.picture != null && session.result != null);
            }
        });
    }

    private String text(int id) {
        return ((TextView) controller.get().findViewById(id)).getText().toString();
    }

    private boolean shown(int id) {
        return controller.get().findViewById(id).isShown();
    }

    @Test
    public void looksAtTheFirstExampleOffTheMainThread() {
        settled(start());
        assertNotEquals(Looper.getMainLooper().getThread(), network.thread);
        ViewGroup scores = controller.get().findViewById(R.id.scores);
        assertEquals(5, scores.getChildCount());
        assertEquals("airplane, 87%", scores.getChildAt(0).getContentDescription());
        assertEquals("0.412\u00a0ms", text(R.id.latency));
        assertFalse(shown(R.id.twin_caption));
        assertFalse(shown(R.id.error_card));
    }

    @Test
    public void comparesWithATwin() throws IOException {
        Session.source = FakeNetwork.source(network, new FakeNetwork(1.648));
        settled(start());
        assertTrue(text(R.id.twin_caption), text(R.id.twin_caption).contains("1.65\u00a0ms, 4.00\u00a0times"));
    }

    @Test
    public void oneSlowRunOfAFewIsNotTheLatency() throws IOException {
        network = new FakeNetwork(9.5, 0.41, 0.412, 0.43, 0.39);
        Session.source = FakeNetwork.source(network, new FakeNetwork(1.648, 1.648, 30));
        settled(start());
        assertEquals(Look.MOST_RUNS, network.runs);
        assertEquals("0.412\u00a0ms", text(R.id.latency));
        assertTrue(text(R.id.latency_caption), text(R.id.latency_caption).endsWith(", median of 5 runs"));
        assertTrue(text(R.id.twin_caption), text(R.id.twin_caption).contains("1.65\u00a0ms, 4.00\u00a0times"));
    }

    @Test
    public void aSlowNetworkRunsOnce() throws IOException {
        network = new FakeNetwork(640);
        Session.source = FakeNetwork.source(network, null);
        settled(start());
        assertEquals(1, network.runs);
        assertTrue(text(R.id.latency_caption), text(R.id.latency_caption).endsWith(", one run"));
    }

    @Test
    public void aBrokenTwinIsLeftOut() {
        final Network.Source whole = FakeNetwork.source(network, null);
        Session.source = new Network.Source() {
            @Override
            public Network open(Context context, String asset) throws IOException {
                if (asset.equals(Session.TWIN)) throw new IllegalStateException("cut off");
                return whole.open(context, asset);
            }
        };
        settled(start());
        assertFalse(shown(R.id.twin_caption));
        assertFalse(shown(R.id.error_card));
    }

    @Test
    public void anotherExampleIsAnotherPicture() {
        final Session session = start();
        settled(session);
        final Bitmap first = session.picture;
        ((ViewGroup) controller.get().findViewById(R.id.examples)).getChildAt(3).performClick();
        Fixtures.await(new Fixtures.Condition() {
            @Override
            public boolean holds() {
                return session.picture != first && session.result != null;
            }
        });
        assertSame(session.picture, network.seen);
        assertEquals("cat", session.pictureName);
    }

    @Test
    public void turningThePhoneKeepsNetworkAndResult() {
        Session session = start();
        settled(session);
        Configuration turned = new Configuration(controller.get().getResources().getConfiguration());
        turned.orientation = Configuration.ORIENTATION_LANDSCAPE;
        controller.configurationChange(turned);
        Shadows.shadowOf(Looper.getMainLooper()).idle();
        assertSame(session, controller.get().session());
        assertFalse(network.closed);
        assertEquals("0.412\u00a0ms", text(R.id.latency));
        assertEquals(View.VISIBLE, controller.get().findViewById(R.id.scores).getVisibility());
    }

    @Test
    public void destroyedWhileItRunsEndsWell() throws InterruptedException {
        final CountDownLatch running = new CountDownLatch(1);
        final CountDownLatch go = new CountDownLatch(1);
        network.whileRunning = new Runnable() {
            @Override
            public void run() {
                running.countDown();
                try {
                    go.await();
                } catch (InterruptedException end) {
                    throw new AssertionError(end);
                }
            }
        };
        final Session session = start();
        Fixtures.await(new Fixtures.Condition() {
            @Override
            public boolean holds() {
                return running.getCount() == 0;
            }
        });
        controller.destroy();
        controller = null;
        assertFalse("closed under the run", network.closed);
        go.countDown();
        Fixtures.await(new Fixtures.Condition() {
            @Override
            public boolean holds() {
                return network.closed;
            }
        });
        assertEquals(null, session.result);
    }

    @Test
    public void noModel() {
        Session.source = FakeNetwork.failing(new FileNotFoundException(Session.MODEL));
        settled(start());
        assertTrue(shown(R.id.error_card));
        assertTrue(text(R.id.error_text).contains("repbnn-edge convert"));
        assertFalse(shown(R.id.result_card));
        assertFalse(shown(R.id.speed_card));
    }

    @Test
    public void tryAgainLoadsTheNetwork() {
        Session.source = FakeNetwork.failing(new IllegalStateException("The library is not there."));
        Session session = start();
        settled(session);
        assertEquals("The library is not there.", text(R.id.error_text));
        Session.source = FakeNetwork.source(network, null);
        controller.get().findViewById(R.id.retry).performClick();
        settled(session);
        assertFalse(shown(R.id.error_card));
        assertTrue(shown(R.id.scores));
    }

    @Test
    public void outOfMemoryIsSaid() {
        network.failure = new OutOfMemoryError("no");
        settled(start());
        assertTrue(text(R.id.error_text).contains("not enough memory"));
    }

    @Test
    public void aBrokenPictureLeavesTheLastOne() {
        final Session session = start();
        settled(session);
        Bitmap first = session.picture;
        Uri uri = Uri.parse("content://gallery/1");
        Shadows.shadowOf(RuntimeEnvironment.getApplication().getContentResolver())
                .registerInputStream(uri, new ByteArrayInputStream(new byte[] {1, 2, 3}));
        controller.get().onActivityResult(MainActivity.FROM_GALLERY, Activity.RESULT_OK, new Intent().setData(uri));
        Fixtures.await(new Fixtures.Condition() {
            @Override
            public boolean holds() {
                return session.notice != null;
            }
        });
        assertTrue(shown(R.id.error_card));
        assertFalse(shown(R.id.retry));
        assertSame(first, session.picture);
    }

    @Test
    public void theCamerasPictureIsLookedAt() {
        final Session session = start();
        settled(session);
        final Bitmap taken = Bitmap.createBitmap(160, 120, Bitmap.Config.ARGB_8888);
        Intent data = new Intent().putExtra("data", taken);
        controller.get().onActivityResult(MainActivity.FROM_CAMERA, Activity.RESULT_OK, data);
        Fixtures.await(new Fixtures.Condition() {
            @Override
            public boolean holds() {
                return session.picture != null && session.picture.getWidth() == 160 && session.result != null;
            }
        });
        controller.get().onActivityResult(MainActivity.FROM_GALLERY, Activity.RESULT_CANCELED, null);
    }

    @Test
    public void measuresAndShares() throws IOException, JSONException {
        final Session session = start();
        settled(session);
        controller.get().findViewById(R.id.measure).performClick();
        Fixtures.await(new Fixtures.Condition() {
            @Override
            public boolean holds() {
                return session.measuring.report != null;
            }
        });
        assertEquals("Conclusive", text(R.id.speed_verdict));
        JSONObject json = session.measuring.report.json;
        assertEquals("repbnn.bench/1", json.getString("schema"));
        JSONObject result = json.getJSONArray("results").getJSONObject(0);
        assertEquals(3, result.getJSONArray("samples_ms").length());
        assertEquals(0.412, result.getJSONObject("latency_ms").getDouble("median"), 0.01);
        Fixtures.keepReport(json); // for Python, which opens it
        controller.get().findViewById(R.id.share).performClick();
        Intent chooser = Shadows.shadowOf(controller.get()).getNextStartedActivity();
        Intent send = chooser.getParcelableExtra(Intent.EXTRA_INTENT, Intent.class);
        assertEquals(Intent.ACTION_SEND, send.getAction());
        assertNotNull(send.getParcelableExtra(Intent.EXTRA_STREAM, Uri.class));
        assertTrue((send.getFlags() & Intent.FLAG_GRANT_READ_URI_PERMISSION) != 0);
    }

    @Test
    public void aPhoneThatHeatsUpIsInconclusive() {
        Measuring.source = FakeRepeat.source(0.2);
        final Session session = start();
        settled(session);
        controller.get().findViewById(R.id.measure).performClick();
        Fixtures.await(new Fixtures.Condition() {
            @Override
            public boolean holds() {
                return session.measuring.report != null;
            }
        });
        assertTrue(text(R.id.speed_verdict), text(R.id.speed_verdict).contains("against the first"));
        assertEquals("inconclusive", session.measuring.report.verdict.status());
        assertTrue(shown(R.id.speed_figure)); // the number is shown either way
    }

    @Test
    public void everyControlIsDescribedAndLargeEnough() {
        settled(start());
        float density = controller.get().getResources().getDisplayMetrics().density;
        check(controller.get().getWindow().getDecorView(), density);
    }

    /** Upright and turned: lines may wrap, and no word loses a part. */
    @Test
    public void nothingIsCutAtTwiceTheFont() throws IOException {
        Session.source = FakeNetwork.source(network, new FakeNetwork(1.648));
        for (String qualifiers : new String[] {"w392dp-h850dp-port-xhdpi", "w850dp-h392dp-land-night-xhdpi"}) {
            RuntimeEnvironment.setQualifiers(qualifiers);
            RuntimeEnvironment.setFontScale(2);
            settled(start());
            assertEquals(2, controller.get().getResources().getConfiguration().fontScale, 0);
            int texts = whole(controller.get().findViewById(android.R.id.content));
            assertTrue(qualifiers + " shows " + texts, texts > 30);
            controller.close();
            controller = null;
        }
    }

    /** How many texts are shown below a view, all of them whole. */
    private static int whole(View view) {
        if (!view.isShown()) return 0;
        int texts = 0;
        if (view instanceof ViewGroup) {
            ViewGroup group = (ViewGroup) view;
            for (int i = 0; i < group.getChildCount(); i++) texts += whole(group.getChildAt(i));
        }
        if (!(view instanceof TextView)) return texts;
        TextView text = (TextView) view;
        Layout lines = text.getLayout();
        String said = text.getText().toString();
        int width = text.getWidth() - text.getCompoundPaddingLeft() - text.getCompoundPaddingRight();
        int height = text.getHeight() - text.getCompoundPaddingTop() - text.getCompoundPaddingBottom();
        assertTrue(said, lines.getHeight() <= height);
        for (int line = 0; line < lines.getLineCount(); line++) {
            assertEquals(said, 0, lines.getEllipsisCount(line));
            assertTrue(said, lines.getLineWidth(line) <= width + 1);
            int end = lines.getLineEnd(line);
            boolean broken = end < said.length() && Character.isLetterOrDigit(said.charAt(end))
                    && Character.isLetterOrDigit(said.charAt(end - 1));
            assertFalse("a word is broken: " + said, broken);
        }
        return texts + 1;
    }

    private static void check(View view, float density) {
        if (view instanceof ViewGroup) {
            for (int i = 0; i < ((ViewGroup) view).getChildCount(); i++) check(((ViewGroup) view).getChildAt(i), density);
        }
        boolean decoration = view.getImportantForAccessibility() == View.IMPORTANT_FOR_ACCESSIBILITY_NO;
        boolean image = view instanceof ImageView && !decoration;
        if (image || view instanceof Button || view.isClickable()) {
            assertNotNull(view.toString(), view.getContentDescription());
        }
        if (view.isClickable() && view.isShown()) {
            assertTrue(view.toString(), view.getHeight() >= 48 * density);
        }
    }
}

package org.repbnn.sample;

import static org.junit.Assert.assertTrue;

import android.app.ActivityManager;
import android.content.Context;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.os.Build;
import android.view.View;
import android.view.ViewGroup;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.Collection;
import org.junit.After;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.repbnn.RepBnnException;
import org.robolectric.ParameterizedRobolectricTestRunner;
import org.robolectric.ParameterizedRobolectricTestRunner.Parameters;
import org.robolectric.Robolectric;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.Shadows;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;
import org.robolectric.shadows.ShadowBuild;
import org.robolectric.util.ReflectionHelpers;

/** Draws every state of the screen into PNGs; `make android-screens` is this test alone. */
@RunWith(ParameterizedRobolectricTestRunner.class)
@Config(sdk = 35)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
public final class ScreensTest {
    private static final String PHONE = "w392dp-h850dp-port-xhdpi";
    private static final String NIGHT = "w392dp-h850dp-port-night-xhdpi";
    private static final String TURNED = "w850dp-h392dp-land-xhdpi";
    private static final int FEWEST_BYTES = 10_000;
    private static final int LONGEST = 6000;

    @After
    public void putBack() {
        Session.source = ClassifierNetwork.SOURCE;
        Measuring.source = InterpreterRepeat.SOURCE;
    }

    private final String look;
    private final String qualifiers;
    private final float fontScale;
    private final int example;

    public ScreensTest(String look, String qualifiers, float fontScale, int example) {
        this.look = look;
        this.qualifiers = qualifiers;
        this.fontScale = fontScale;
        this.example = example;
    }

    /** {look, qualifiers, font scale, example that is looked at} of each set of screens. */
    @Parameters(name = "{0}")
    public static Collection<Object[]> looks() {
        return Arrays.asList(new Object[][] {
            {"light", PHONE, 1f, 2}, {"dark", NIGHT, 1f, 3}, {"font2", PHONE, 2f, 1}, {"land", TURNED, 1f, 4},
            {"land-font2", TURNED, 2f, 7},
        });
    }

    @Test
    public void everyState() throws IOException {
        RuntimeEnvironment.setQualifiers(qualifiers);
        RuntimeEnvironment.setFontScale(fontScale);
        ShadowBuild.setManufacturer("Google");
        ShadowBuild.setModel("Pixel 8");
        ShadowBuild.setHardware("zuma");
        ReflectionHelpers.setStaticField(Build.class, "SUPPORTED_ABIS", new String[] {"arm64-v8a", "armeabi-v7a"});
        memory();
        Session.source = StagedNetwork.source(0.412, 1.93);
        Measuring.source = FakeRepeat.source(0);
        draw(look + "-result", false);
        draw(look + "-measured", true);
        Measuring.source = FakeRepeat.source(0.2);
        draw(look + "-inconclusive", true);
        Session.source = FakeNetwork.failing(new FileNotFoundException(Session.MODEL));
        draw(look + "-no-model", false);
        Session.source = FakeNetwork.failing(new RepBnnException(RepBnnException.Reason.BAD_MODEL,
                "The model is no TFLite file that can be read: an offset leaves the file, so put the file that"
                        + " repbnn-edge convert wrote into the app, whole and unchanged."));
        draw(look + "-broken-model", false);
    }

    private static void memory() {
        ActivityManager.MemoryInfo info = new ActivityManager.MemoryInfo();
        info.totalMem = 8_050_000_000L;
        Context context = RuntimeEnvironment.getApplication();
        Shadows.shadowOf((ActivityManager) context.getSystemService(Context.ACTIVITY_SERVICE)).setMemoryInfo(info);
    }

    private void draw(String name, boolean measured) throws IOException {
        try (ActivityController<MainActivity> controller = Robolectric.buildActivity(MainActivity.class)) {
            final Session session = controller.setup().get().session();
            final View thumbnail = ((ViewGroup) controller.get().findViewById(R.id.examples)).getChildAt(example);
            thumbnail.performClick();
            Fixtures.await(new Fixtures.Condition() {
                @Override
                public boolean holds() {
                    boolean chosen = session.picture != null && session.pictureName.equals(thumbnail.getTag());
                    return chosen && (session.result != null || session.error != null);
                }
            });
            if (measured) {
                controller.get().findViewById(R.id.measure).performClick();
                Fixtures.await(new Fixtures.Condition() {
                    @Override
                    public boolean holds() {
                        return session.measuring.report != null;
                    }
                });
            }
            if (measured) {
                View scroll = controller.get().findViewById(R.id.scroll);
                scroll.scrollTo(0, controller.get().findViewById(R.id.speed_card).getTop() / 2);
            }
            write(controller.get().getWindow().getDecorView(), name);
            writeWhole(controller.get(), name + "-whole");
        }
    }

    /** What fits on the screen. */
    private static void write(View view, String name) throws IOException {
        Bitmap bitmap = Bitmap.createBitmap(view.getWidth(), view.getHeight(), Bitmap.Config.ARGB_8888);
        view.draw(new Canvas(bitmap));
        File file = new File(System.getProperty("repbnn.screens"), name + ".png");
        assertTrue(file.getParentFile().isDirectory() || file.getParentFile().mkdirs());
        try (OutputStream stream = new FileOutputStream(file)) {
            bitmap.compress(Bitmap.CompressFormat.PNG, 100, stream);
        }
        assertTrue(name + " is empty", file.length() > FEWEST_BYTES);
    }

    /** All that there is to scroll to. */
    private static void writeWhole(MainActivity activity, String name) throws IOException {
        View window = activity.getWindow().getDecorView();
        View scroll = activity.findViewById(R.id.scroll);
        int more = ((ViewGroup) scroll).getChildAt(0).getHeight() - scroll.getHeight();
        if (more <= 0) return;
        int height = Math.min(window.getHeight() + more + scroll.getPaddingTop() + scroll.getPaddingBottom(), LONGEST);
        window.measure(
                View.MeasureSpec.makeMeasureSpec(window.getWidth(), View.MeasureSpec.EXACTLY),
                View.MeasureSpec.makeMeasureSpec(height, View.MeasureSpec.EXACTLY));
        window.layout(0, 0, window.getWidth(), height);
        write(window, name);
    }
}

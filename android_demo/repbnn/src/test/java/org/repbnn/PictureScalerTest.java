package org.repbnn;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.fail;

import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import android.graphics.Color;
import java.io.File;
import java.io.IOException;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;

/** The pixels that the network sees are those that Python's evaluation sees, byte by byte. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35, manifest = Config.NONE)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
public final class PictureScalerTest {
    @Test
    public void pillowsBytes() throws IOException {
        int found = 0;
        for (File file : Files.of("scaling").listFiles()) {
            if (!file.getName().endsWith(".png")) continue;
            String stem = file.getName().substring(0, file.getName().length() - 4); // "640x427-to-224x160"
            String[] target = stem.substring(stem.indexOf("-to-") + 4).split("x");
            BitmapFactory.Options exact = new BitmapFactory.Options();
            exact.inScaled = false;
            Bitmap picture = BitmapFactory.decodeFile(file.getPath(), exact);
            byte[] ours = PictureScaler.pixels(picture, Integer.parseInt(target[1]), Integer.parseInt(target[0]));
            assertArrayEquals(stem, Files.bytes("scaling/" + stem + ".bin"), ours);
            found++;
        }
        assertEquals(6, found);
    }

    @Test
    public void everyConfiguration() {
        Bitmap picture = Bitmap.createBitmap(40, 30, Bitmap.Config.ARGB_8888);
        picture.eraseColor(Color.rgb(248, 128, 8)); // exact in RGB_565 too
        byte[] expected = PictureScaler.pixels(picture, 8, 8);
        Bitmap.Config[] configurations = {Bitmap.Config.RGB_565, Bitmap.Config.RGBA_F16, Bitmap.Config.HARDWARE};
        for (Bitmap.Config configuration : configurations) {
            Bitmap other = picture.copy(configuration, false);
            byte[] pixels = PictureScaler.pixels(other, 8, 8);
            for (int i = 0; i < pixels.length; i++) {
                assertEquals(configuration.toString(), expected[i] & 0xff, pixels[i] & 0xff, 2);
            }
            assertEquals(false, other.isRecycled());
        }
    }

    @Test
    public void onePixel() {
        Bitmap picture = Bitmap.createBitmap(1, 1, Bitmap.Config.ARGB_8888);
        picture.eraseColor(Color.rgb(1, 2, 3));
        byte[] pixels = PictureScaler.pixels(picture, 4, 4);
        assertEquals(48, pixels.length);
        for (int i = 0; i < pixels.length; i++) assertEquals(1 + i % 3, pixels[i]);
    }

    @Test
    public void alphaOnly() {
        Bitmap picture = Bitmap.createBitmap(9, 9, Bitmap.Config.ALPHA_8);
        assertEquals(48, PictureScaler.pixels(picture, 4, 4).length);
    }

    @Test
    public void aRecycledPictureIsRefused() {
        Bitmap picture = Bitmap.createBitmap(8, 8, Bitmap.Config.ARGB_8888);
        picture.recycle();
        try {
            PictureScaler.pixels(picture, 8, 8);
        } catch (RepBnnException expected) {
            assertEquals(RepBnnException.Reason.BAD_PICTURE, expected.getReason());
            return;
        }
        fail("it was read");
    }
}

package org.repbnn;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.annotation.Config;

/** The reader against Python's, and against files that lie. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 35, manifest = Config.NONE)
public final class ModelMetadataTest {
    @Test
    public void saysWhatPythonSays() throws IOException, JSONException {
        JSONObject python = new JSONObject(Files.text("model.json"));
        ModelMetadata read = ModelMetadata.read(ByteBuffer.wrap(Files.bytes("model.tflite")));
        assertEquals(python.getString("name"), read.getName());
        assertEquals(python.getLong("binary_macs"), read.getBinaryMacs());
        assertEquals(python.getLong("float_macs"), read.getFloatMacs());
        assertEquals(python.getInt("operators"), read.getOperatorCount());
        assertEquals(python.getInt("binary_convolutions"), read.getBinaryConvolutionCount());
        assertArrayEquals(floats(python.getJSONArray("mean")), read.getMean(), 1e-4f);
        assertArrayEquals(floats(python.getJSONArray("std")), read.getStd(), 1e-4f);
        JSONArray labels = python.getJSONArray("labels");
        assertEquals(labels.length(), read.getLabels().size());
        for (int i = 0; i < labels.length(); i++) assertEquals(labels.getString(i), read.getLabels().get(i));
        assertArrayEquals(new int[] {1, 32, 32, 3}, read.getInputShape());
        assertArrayEquals(new int[] {1, 10}, read.getOutputShape());
    }

    private static float[] floats(JSONArray values) throws JSONException {
        float[] result = new float[values.length()];
        for (int i = 0; i < result.length; i++) result[i] = (float) values.getDouble(i);
        return result;
    }

    @Test
    public void readsDeflatedLabels() throws IOException {
        ModelMetadata read = ModelMetadata.read(ByteBuffer.wrap(Files.bytes("deflated.tflite")));
        assertEquals("airplane", read.getLabels().get(0));
        assertEquals(10, read.getLabels().size());
    }

    @Test
    public void everyTruncationIsABadModel() throws IOException {
        byte[] whole = Files.bytes("model.tflite");
        for (int length = 0; length < whole.length; length = length < 64 ? length + 1 : length + 131) {
            expectBad(ByteBuffer.wrap(Arrays.copyOf(whole, length)));
        }
        expectBad(ByteBuffer.wrap(Arrays.copyOf(whole, whole.length - 1)));
    }

    @Test
    public void noBytesThatLieEndInAnythingElse() throws IOException {
        byte[] whole = Files.bytes("model.tflite");
        Random random = new Random(7);
        for (int round = 0; round < 4000; round++) {
            byte[] broken = whole.clone();
            for (int k = 0; k < 1 + round % 8; k++) {
                // Where offsets are dense: the head, the tables at the flatbuffer's end, the ZIP.
                int at = k % 2 == 0 ? random.nextInt(whole.length) : whole.length - 1 - random.nextInt(4096);
                broken[at] = (byte) random.nextInt(256);
            }
            try {
                ModelMetadata.read(ByteBuffer.wrap(broken));
            } catch (RepBnnException expected) {
                assertEquals(RepBnnException.Reason.BAD_MODEL, expected.getReason());
            }
        }
    }

    @Test
    public void otherFilesAreBadModels() {
        expectBad(ByteBuffer.wrap("PK\3\4 this is an archive".getBytes()));
        expectBad(ByteBuffer.allocate(0));
        expectBad(ByteBuffer.allocate(1 << 16));
    }

    @Test
    public void theBuffersPositionIsLeftAlone() throws IOException {
        ByteBuffer buffer = ByteBuffer.wrap(Files.bytes("model.tflite"));
        buffer.position(5);
        buffer.limit(9);
        ModelMetadata.read(buffer);
        assertEquals(5, buffer.position());
        assertEquals(9, buffer.limit());
    }

    private static void expectBad(ByteBuffer file) {
        try {
            ModelMetadata.read(file);
        } catch (RepBnnException expected) {
            assertEquals(RepBnnException.Reason.BAD_MODEL, expected.getReason());
            assertTrue(expected.getMessage(), expected.getMessage().contains("repbnn-edge convert"));
            return;
        }
        fail("it was read: " + file.capacity());
    }
}

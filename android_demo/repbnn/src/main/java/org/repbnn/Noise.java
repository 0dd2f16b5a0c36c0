package org.repbnn;

import java.nio.ByteBuffer;
import java.util.Random;

/** The input that is measured with, normal noise of a fixed seed, and whether what came of it can be believed. */
final class Noise {
    private static final long SEED = 0;

    private Noise() {}

    static void fill(long engine, Tensor[] inputs) {
        Random random = new Random(SEED);
        for (int i = 0; i < inputs.length; i++) {
            ByteBuffer data = inputs[i].allocate();
            if (inputs[i].isNumeric()) {
                int elements = data.capacity() / inputs[i].getType().bytes;
                for (int k = 0; k < elements; k++) inputs[i].put(data, k, (float) random.nextGaussian());
            }
            NativeLibrary.writeInput(engine, i, data);
        }
    }

    static boolean isFiniteAndEqual(Tensor[] outputs, ByteBuffer[] once, ByteBuffer[] again) {
        for (int i = 0; i < outputs.length; i++) {
            if (!once[i].equals(again[i])) return false;
            if (outputs[i].getType() != Tensor.Type.FLOAT32) continue;
            for (int at = 0; at < once[i].capacity(); at += 4) {
                float value = once[i].getFloat(at);
                if (Float.isNaN(value) || Float.isInfinite(value)) return false;
            }
        }
        return true;
    }
}

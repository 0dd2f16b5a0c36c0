package org.repbnn;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.List;

/**
 * What a TFLite file says about itself: its input, its preprocessing, its class names, its binary layers. Read from
 * the file's own bytes; needs no runtime and no native library. Immutable.
 */
public final class ModelMetadata {
    private static final int MODEL_MARK = 0x334c4654; // "TFL3"
    private static final int METADATA_MARK = 0x3130304d; // "M001"
    private static final String ENTRY = "TFLITE_METADATA";
    static final String BINARY_CONVOLUTION = "LceBconv2d";
    private static final int SOFTMAX = 25;
    private static final int NORMALIZATION = 1;
    private static final int AXIS_LABELS = 2;

    private String name = "";
    private String description = "";
    private int[] inputShape = {};
    private int[] outputShape = {};
    private float[] mean;
    private float[] std;
    private List<String> labels = Collections.emptyList();
    private int operators;
    private int binaryConvolutions;
    private long binaryMacs;
    private long floatMacs;
    private boolean endsInSoftmax;

    private ModelMetadata() {}

    /**
     * Reads the metadata of a whole file, with what stands behind the flatbuffer.
     *
     * @param file the file's bytes; its position and limit are not looked at and not changed.
     * @throws RepBnnException {@code BAD_MODEL}: truncated, broken, or no TFLite model.
     */
    public static ModelMetadata read(ByteBuffer file) {
        ByteBuffer bytes = file.duplicate();
        bytes.clear();
        bytes.order(ByteOrder.LITTLE_ENDIAN);
        try {
            if (bytes.capacity() < 8 || bytes.getInt(4) != MODEL_MARK) {
                throw new FlatTable.Broken("it lacks the mark TFL3");
            }
            ModelMetadata metadata = new ModelMetadata();
            metadata.readModel(FlatTable.root(bytes), bytes);
            return metadata;
        } catch (FlatTable.Broken error) {
            String why = "The model is no TFLite file that can be read: " + error.getMessage()
                    + ", so put the file that repbnn-edge convert wrote into the app, whole and unchanged.";
            throw new RepBnnException(RepBnnException.Reason.BAD_MODEL, why, error);
        }
    }

    /** The network's name; empty where the file does not say. */
    public String getName() {
        return name;
    }

    /** One sentence about the network; empty where the file does not say. */
    public String getDescription() {
        return description;
    }

    /** The shape of the first input: batch, height, width, channels. */
    public int[] getInputShape() {
        return inputShape.clone();
    }

    /** The shape of the first output: batch, classes. */
    public int[] getOutputShape() {
        return outputShape.clone();
    }

    /** What is subtracted from a pixel of 0..255, a number a channel; null where the file does not say. */
    public float[] getMean() {
        return mean == null ? null : mean.clone();
    }

    /** What a pixel is divided by, once the mean is subtracted; null where the file does not say. */
    public float[] getStd() {
        return std == null ? null : std.clone();
    }

    /** Class names in the order of the scores; empty where the file has none. */
    public List<String> getLabels() {
        return labels;
    }

    /** How many operators the file has. */
    public int getOperatorCount() {
        return operators;
    }

    /** How many of them are larq-compute-engine's binary convolutions; 0 is an ordinary network. */
    public int getBinaryConvolutionCount() {
        return binaryConvolutions;
    }

    /** Multiply-accumulates of one picture between two-valued numbers, as repbnn-edge inspect counts them. */
    public long getBinaryMacs() {
        return binaryMacs;
    }

    /** Multiply-accumulates of one picture in the other convolutions and dense layers. */
    public long getFloatMacs() {
        return floatMacs;
    }

    /** Whether the first output is made by a softmax, and so holds probabilities rather than logits. */
    public boolean endsInSoftmax() {
        return endsInSoftmax;
    }

    // Slots of tflite's schema.fbs. Model: 1 operator codes, 2 subgraphs, 4 buffers, 6 metadata.
    private void readModel(FlatTable model, ByteBuffer file) throws FlatTable.Broken {
        if (model.countAt(2) < 1) throw new FlatTable.Broken("it has no graph");
        FlatTable graph = model.itemAt(2, 0);
        inputShape = shapeOf(graph, 1);
        outputShape = shapeOf(graph, 2);
        countOperators(model, graph);
        for (int i = 0; i < model.countAt(6); i++) {
            FlatTable entry = model.itemAt(6, i);
            if (!ENTRY.equals(entry.textAt(0))) continue;
            ByteBuffer content = model.itemAt(4, entry.intAt(1, 0)).bytesAt(0);
            if (content != null && content.capacity() >= 8 && content.getInt(4) == METADATA_MARK) {
                readStandard(FlatTable.root(content), file);
            }
        }
    }

    // SubGraph: 0 tensors, 1 inputs, 2 outputs, 3 operators. Tensor: 0 shape.
    private static int[] shapeOf(FlatTable graph, int slot) throws FlatTable.Broken {
        int[] indices = graph.intsAt(slot);
        if (indices == null || indices.length == 0) throw new FlatTable.Broken("it has no input or no output");
        int[] shape = graph.itemAt(0, indices[0]).intsAt(0);
        return shape == null ? new int[0] : shape;
    }

    // OperatorCode: 0 builtin code below 128, 1 custom code, 3 builtin code. Operator: 0 index of its code, 2 outputs.
    private void countOperators(FlatTable model, FlatTable graph) throws FlatTable.Broken {
        String[] names = new String[model.countAt(1)];
        int[] codes = new int[names.length];
        for (int i = 0; i < names.length; i++) {
            FlatTable code = model.itemAt(1, i);
            names[i] = code.textAt(1);
            codes[i] = Math.max(code.byteAt(0, 0), code.intAt(3, 0));
        }
        operators = graph.countAt(3);
        int scores = graph.intsAt(2)[0];
        for (int i = 0; i < operators; i++) {
            FlatTable operator = graph.itemAt(3, i);
            int code = operator.intAt(0, 0);
            if (code < 0 || code >= names.length) throw new FlatTable.Broken("an operator has no code");
            if (BINARY_CONVOLUTION.equals(names[code])) binaryConvolutions++;
            int[] made = operator.intsAt(2);
            if (codes[code] == SOFTMAX && made != null && made.length > 0 && made[0] == scores) endsInSoftmax = true;
        }
        NetworkCosts costs = new NetworkCosts(graph, names, codes);
        binaryMacs = costs.binary;
        floatMacs = costs.full;
    }

    // Slots of metadata_schema.fbs. ModelMetadata: 0 name, 1 description, 3 graphs. SubGraphMetadata: 2 inputs,
    // 3 outputs. TensorMetadata: 4 process units, 6 associated files. AssociatedFile: 0 name, 2 type.
    private void readStandard(FlatTable model, ByteBuffer file) throws FlatTable.Broken {
        if (model.textAt(0) != null) name = model.textAt(0);
        if (model.textAt(1) != null) description = model.textAt(1);
        if (model.countAt(3) == 0) return;
        FlatTable graph = model.itemAt(3, 0);
        if (graph.countAt(2) > 0) readNormalization(graph.itemAt(2, 0));
        if (graph.countAt(3) == 0) return;
        FlatTable output = graph.itemAt(3, 0);
        for (int i = 0; i < output.countAt(6); i++) {
            FlatTable associated = output.itemAt(6, i);
            if (associated.byteAt(2, 0) == AXIS_LABELS) readLabels(associated.textAt(0), file);
        }
    }

    // ProcessUnit: 0 type of options, 1 options. NormalizationOptions: 0 mean, 1 std.
    private void readNormalization(FlatTable input) throws FlatTable.Broken {
        for (int i = 0; i < input.countAt(4); i++) {
            FlatTable unit = input.itemAt(4, i);
            if (unit.byteAt(0, 0) != NORMALIZATION) continue;
            FlatTable options = unit.tableAt(1);
            float[] means = options == null ? null : options.floatsAt(0);
            float[] deviations = options == null ? null : options.floatsAt(1);
            if (!fits(means) || !fits(deviations) || hasZero(deviations)) {
                throw new FlatTable.Broken("its preprocessing does not fit its input");
            }
            mean = means;
            std = deviations;
        }
    }

    private boolean fits(float[] values) {
        int channels = inputShape.length == 4 ? inputShape[3] : 0;
        if (values == null || (values.length != 1 && values.length != channels)) return false;
        for (float value : values) {
            if (Float.isNaN(value) || Float.isInfinite(value)) return false;
        }
        return true;
    }

    private static boolean hasZero(float[] values) {
        for (float value : values) {
            if (value == 0) return true;
        }
        return false;
    }

    private void readLabels(String label, ByteBuffer file) throws FlatTable.Broken {
        List<String> lines = label == null ? null : new LabelArchive(file).lines(label);
        if (lines == null) throw new FlatTable.Broken("its class names were lost from behind it");
        int classes = outputShape.length == 0 ? 0 : outputShape[outputShape.length - 1];
        if (lines.size() != classes) {
            throw new FlatTable.Broken("it has " + lines.size() + " class names for " + classes + " classes");
        }
        labels = Collections.unmodifiableList(lines);
    }
}
